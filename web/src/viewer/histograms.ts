// Histograms of the channels, and the contrast limits that follow from them.
import { useQueries, type QueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { get, query } from '../api/client';
import { patient } from '../api/queries';
import type { Dataset, Histogram } from '../api/types';
import { autoLimits, type Limits } from './contrast';
import { untilArrived } from './patience';
import { isPhotograph, type View } from './view';

const keyOf = (d: Dataset, t: number, c: number, z: number) => ['histogram', d.path, d.version, t, c, z];

// Those that came with the description of the image: what it opens with is as bright as it will be at once.
export function rememberHistograms(client: QueryClient, d: Dataset): void {
  for (const [c, h] of (d.histograms ?? []).entries()) {
    if (!h || h.z === undefined) continue;
    const key = keyOf(d, 0, c, h.z);
    if (client.getQueryData(key) === undefined) client.setQueryData(key, h);
  }
}

const kSettleMs = 400; // a histogram of every plane that is scrubbed past would be a burden

function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), kSettleMs);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

export function useHistograms(d: Dataset, view: View): (Histogram | undefined)[] {
  const t = useSettled(view.t);
  const z = useSettled(view.z);
  const results = useQueries({
    queries: view.channels.map((channel, c) => ({
      queryKey: keyOf(d, t, c, z),
      // The coarsest tile is what it is counted of.
      queryFn: ({ signal }: { signal: AbortSignal }) => untilArrived(() => get<Histogram>(`api/histogram?${query({ path: d.path, t, c, z })}`, signal), signal, d.path),
      enabled: channel.visible && !d.not_decodable,
      staleTime: Infinity,
      ...patient,
    })),
  });
  // Until the histogram of the next plane has arrived, the one before says more than none.
  const last = useRef<(Histogram | undefined)[]>([]);
  const now = results.map((r, c) => r.data ?? last.current[c]);
  useEffect(() => {
    last.current = now;
  });
  const same = now.length === last.current.length && now.every((h, c) => h === last.current[c]);
  return same ? last.current : now;
}

// Automatic limits are those of the first plane seen: brightness must not jump while one steps through z.
export function useLimits(d: Dataset, view: View, histograms: (Histogram | undefined)[]): Limits[] {
  const first = useRef<(Histogram | undefined)[]>([]);
  return useMemo(() => {
    histograms.forEach((h, c) => (first.current[c] ??= h));
    return view.channels.map((ch, c): Limits => (ch.low !== null && ch.high !== null ? [ch.low, ch.high] : isPhotograph(d) ? [0, 255] : autoLimits(first.current[c], d.type)));
  }, [d, view.channels, histograms]);
}

export const areLimitsKnown = (d: Dataset, view: View, histograms: (Histogram | undefined)[]) =>
  isPhotograph(d) || view.channels.every((c, i) => !c.visible || (c.low !== null && c.high !== null) || histograms[i] !== undefined);
