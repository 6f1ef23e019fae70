// What the page knows of the hub: one hook for each answer, with the pace at which it is asked again.
import { keepPreviousData, useQuery, type QueryClient } from '@tanstack/react-query';
import { ApiError, get, query } from './client';
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
  useQuery({ queryKey: ['session'], queryFn: ({ signal }) => get<Session>('api/session', signal), refetchInterval: 15_000 });

// A hub can show a folder without TierHub; then there is nobody to ask about tiers.
export const useHasTiers = () => useSession().data?.tierd ?? true;
const useMayAsk = () => useSession().data?.tierd ?? false; // not before that is known

export const useFolder = (path: string, busy: boolean) =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['folder', path],
    queryFn: ({ signal }) => listFolder(path, false, signal),
    refetchInterval: busy ? 1000 : 10_000,
  });

// Sums of folders take tierd up to a second, so they arrive after the names.
export const useTotals = (path: string, busy: boolean) =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['totals', path],
    queryFn: ({ signal }) => listFolder(path, true, signal),
    refetchInterval: busy ? 2000 : 30_000,
  });

export const useDatasets = (path: string, busy: boolean) =>
  useQuery({
    queryKey: ['datasets', path],
    queryFn: ({ signal }) => get<Datasets>(`api/datasets?${query({ path })}`, signal),
    refetchInterval: busy ? 2000 : 30_000,
  });

// Asks again when the bytes are expected; a person sees failureReason until then.
export const patient = {
  retry: (count: number, e: unknown) => (e instanceof ApiError && e.recalling ? count < kMostRecalls : worthRetrying(count, e)),
  retryDelay: (count: number, e: unknown) => (e instanceof ApiError && e.recalling ? Math.min(1000, e.etaMs) : 500 * 2 ** count),
};
const kMostRecalls = 600;

export const useDataset = (path: string) =>
  useQuery({
    queryKey: ['dataset', path],
    enabled: path !== '',
    queryFn: ({ signal }) => get<Dataset>(`api/dataset?${query({ path })}`, signal),
    refetchInterval: 15_000,
    placeholderData: keepPreviousData,
    ...patient, // what describes the wells of a plate may be in the archive
  });

export const isOpen = (p: Prefetch) => p.state === 'queued' || p.state === 'running' || p.state === 'parked';
export const isMoving = (p: Prefetch) => p.state === 'queued' || p.state === 'running';

export const usePrefetches = () =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['prefetches'],
    queryFn: async ({ signal }) => (await get<{ prefetches: Prefetch[] }>('api/v1/prefetch', signal)).prefetches,
    refetchInterval: (q) => (q.state.data?.some(isMoving) ? 500 : 5000),
  });

export const useStatus = () =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['status'],
    queryFn: ({ signal }) => get<Status>('api/v1/status', signal),
    refetchInterval: 2000,
  });

export const useAgents = () =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['agents'],
    queryFn: async ({ signal }) => (await get<{ agents: Agent[] }>('api/v1/agents', signal)).agents,
    refetchInterval: 5000,
  });

export const useRuns = () =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['runs'],
    queryFn: async ({ signal }) => (await get<{ runs: Run[] }>('api/v1/runs', signal)).runs,
    refetchInterval: 2000,
  });

export const useRun = (run: string) =>
  useQuery({
    enabled: useMayAsk(),
    queryKey: ['run', run],
    queryFn: ({ signal }) => get<Run>(`api/v1/runs/${encodeURIComponent(run)}`, signal),
    refetchInterval: 1000,
  });

// What changes when bytes move between the tiers.
export function refreshResidency(client: QueryClient): void {
  for (const key of ['prefetches', 'folder', 'totals', 'datasets', 'dataset', 'residency']) void client.invalidateQueries({ queryKey: [key] });
}

// Asking again helps when the hub was unreachable or busy, not when it has refused.
export function worthRetrying(count: number, error: unknown): boolean {
  return count < 3 && !(error instanceof ApiError && error.status >= 400 && error.status < 500);
}
