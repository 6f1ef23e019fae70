// A run as its folder describes it: more than what its agent reports to tierd.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { isOver } from '../runs/status';
import { change, get, query, send } from './client';
import { paceOf, useLive, usePace } from './events';

export interface Details {
  folder: string;
  report: string;
  job?: string; // the text of job.yaml
  parameters?: Record<string, string | string[]>; // their values
  workflow?: string;
  state?: string;
  [member: string]: unknown; // of status.json
}

export interface ResultFile {
  path: string;
  kind: 'table' | 'picture' | 'image' | 'labels' | 'text' | 'other';
  size: number;
  of: string; // the image that labels belong to
  box?: string; // the part of that image which they are of, as imgop writes it; "": not known
}

export interface Results {
  output: string;
  files: ResultFile[];
  left_out: number;
}

const one = (run: string) => `api/runs/${encodeURIComponent(run)}`;

// Asked for until the run's own folder says that it is over: tierd may know that before.
export function useDetails(run: string) {
  const open = useLive((s) => s.runs);
  return useQuery({
    enabled: run !== '',
    queryKey: ['details', run],
    queryFn: ({ signal }) => get<Details>(one(run), signal),
    refetchInterval: (q) => paceOf(q.state.error ? 5000 : isOver(q.state.data?.state ?? '') ? 15_000 : 1000, open),
    retry: 1,
  });
}

export const useLog = (run: string, tail: number, live: boolean) =>
  useQuery({
    queryKey: ['log', run, tail, live], // once more when it is over
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => (await send(`${one(run)}/log?${query({ tail })}`, { signal })).text(),
    refetchInterval: live ? 1500 : false,
  });

export function useResults(run: string, over: boolean) {
  const pace = usePace(5000, 'runs');
  return useQuery({
    enabled: run !== '',
    queryKey: ['results', run, over],
    queryFn: ({ signal }) => get<Results>(`${one(run)}/results`, signal),
    refetchInterval: over ? false : pace,
    retry: 1,
  });
}

export const cancelRun = (run: string) => change<object>('POST', `${one(run)}/cancel`);

export const fileAddress = (path: string, begin?: number, bytes?: number) =>
  `api/file?${query({ path, ...(begin === undefined ? {} : { begin }), ...(bytes === undefined ? {} : { bytes }) })}`;
