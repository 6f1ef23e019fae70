// What the page knows of the hub: one hook for each answer, with the pace at which it is asked again.
import { keepPreviousData, useQuery, type QueryClient } from '@tanstack/react-query';
import { ApiError, get, query } from './client';
import { paceOf, useLive, usePace } from './events';
import { isPlate } from '../plates/plate';
import type { Agent, Dataset, Datasets, Entry, Listing, Prefetch, Run, Session, Status } from './types';

// A folder larger than this is shown in part: scrolling through more names helps nobody.
export const kMostEntries = 100_000;
const kPage = 10_000;

export interface Folder {
  entries: Entry[];
  complete: boolean;
}

async function listFolder(path: string, totals: boolean, signal: AbortSignal): Promise<Folder> {
  const entries: Entry[] = [];
  let after = '';
  do {
    const q = query({ path, limit: kPage, ...(totals ? { totals: 'true' } : {}), ...(after ? { after } : {}) });
    const page = await get<Listing>(`api/v1/ls?${q}`, signal);
    entries.push(...page.entries);
    after = page.next;
  } while (after && entries.length < kMostEntries);
  return { entries, complete: !after };
}

export const useSession = () =>
  useQuery({ queryKey: ['session'], queryFn: ({ signal }) => get<Session>('api/session', signal), refetchInterval: (q) => (q.state.status === 'error' ? 2000 : 15_000) });

// A hub can show a folder without TierHub; then there is nobody to ask about tiers.
export const useHasTiers = () => useSession().data?.tierd ?? true;
const useMayAsk = () => useSession().data?.tierd ?? false; // not before that is known

export const useFolder = (path: string, busy: boolean) =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['folder', path],
    queryFn: ({ signal }) => listFolder(path, false, signal),
    refetchInterval: usePace(busy ? 1000 : 10_000),
  });

// Sums of folders take tierd up to a second, so they arrive after the names.
export const useTotals = (path: string, busy: boolean) =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['totals', path],
    queryFn: ({ signal }) => listFolder(path, true, signal),
    refetchInterval: usePace(busy ? 2000 : 30_000),
  });

export const useDatasets = (path: string, busy: boolean) =>
  useQuery({
    queryKey: ['datasets', path],
    queryFn: ({ signal }) => get<Datasets>(`api/datasets?${query({ path })}`, signal),
    refetchInterval: usePace(busy ? 2000 : 30_000),
  });

// Asks again when the bytes are expected; a person sees failureReason until then.
const kMostRecalls = 600;
export const patient = {
  retry: (count: number, e: unknown) => (e instanceof ApiError && e.recalling ? count < kMostRecalls : worthRetrying(count, e)),
  retryDelay: (count: number, e: unknown) => (e instanceof ApiError && e.recalling ? Math.min(1000, e.etaMs) : 500 * 2 ** count),
};

export const datasetQuery = (path: string) => ({
  queryKey: ['dataset', path],
  enabled: path !== '',
  queryFn: ({ signal }: { signal: AbortSignal }) => get<Dataset>(`api/dataset?${query({ path })}`, signal),
  ...patient, // what describes the wells of a plate may be in the archive
});

export function useDataset(path: string) {
  const pace = usePace(15_000);
  return useQuery({
    ...datasetQuery(path),
    refetchInterval: (q) => (isPlate(q.state.data?.plate) ? kPlatePaceMs : pace),
    placeholderData: keepPreviousData,
  });
}
const kPlatePaceMs = 300_000; // a large plate has 14,000 fields, and its wells are asked for by themselves

export const isOpen = (p: Prefetch) => p.state === 'queued' || p.state === 'running' || p.state === 'parked';
export const isMoving = (p: Prefetch) => p.state === 'queued' || p.state === 'running';

export function usePrefetches() {
  const open = useLive((s) => s.open);
  return useQuery({
    enabled: useMayAsk(),
    queryKey: ['prefetches'],
    queryFn: async ({ signal }) => (await get<{ prefetches: Prefetch[] }>('api/v1/prefetch', signal)).prefetches,
    refetchInterval: (q) => paceOf(q.state.data?.some(isMoving) ? 500 : 5000, open),
  });
}

// `often`: for who draws its numbers over time.
export function useStatus(often = false) {
  const pace = usePace(2000);
  return useQuery({
    enabled: useMayAsk(),
    queryKey: ['status'],
    queryFn: ({ signal }) => get<Status>('api/v1/status', signal),
    refetchInterval: often ? 2000 : pace,
  });
}

export const useAgents = () =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['agents'],
    queryFn: async ({ signal }) => (await get<{ agents: Agent[] }>('api/v1/agents', signal)).agents,
    refetchInterval: 5000,
  });

export function useRuns(often = false) {
  const pace = usePace(2000, 'runs');
  return useQuery({
    enabled: useMayAsk(),
    queryKey: ['runs'],
    queryFn: async ({ signal }) => (await get<{ runs: Run[] }>('api/v1/runs', signal)).runs,
    refetchInterval: often ? 2000 : pace,
  });
}

export const useRun = (run: string) =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['run', run],
    queryFn: ({ signal }) => get<Run>(`api/v1/runs/${encodeURIComponent(run)}`, signal),
    refetchInterval: usePace(1000, 'runs'),
  });

// What changes when bytes move between the tiers.
export function refreshResidency(client: QueryClient): void {
  for (const key of ['prefetches', 'folder', 'totals', 'datasets', 'dataset', 'residency', 'wells', 'levels']) void client.invalidateQueries({ queryKey: [key] });
}

// Asking again helps when the hub was unreachable or busy, not when it has refused.
export function worthRetrying(count: number, error: unknown): boolean {
  return count < 3 && !(error instanceof ApiError && error.status >= 400 && error.status < 500);
}
