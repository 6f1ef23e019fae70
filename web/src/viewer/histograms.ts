// Histograms of the channels, and the contrast limits that follow from them.
import { useQueries } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { get, query } from '../api/client';
import { patient } from '../api/queries';
import type { Dataset, Histogram } from '../api/types';
import { autoLimits, type Limits } from './contrast';
import { isPhotograph, type View } from './view';

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
      queryKey: ['histogram', d.path, d.version, t, c, z],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<Histogram>(`api/histogram?${query({ path: d.path, t, c, z })}`, signal),
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
