// The last ten minutes of the status, kept by this page: tierd has counters but no history.
import { useEffect } from 'react';
import { create } from 'zustand';
import { useStatus } from '../api/queries';
import type { Status } from '../api/types';

export const kKeptMs = 600_000;

export interface Sample {
  at: number; // ms
  used: number;
  dirty: number;
  published: number;
  recalled: number;
  fetched: number;
  evicted: number;
  reads: number;
  writes: number;
}

export function sampleOf(s: Status, at: number): Sample {
  return {
    at, used: s.used_bytes, dirty: s.dirty_bytes, published: s.published_bytes, recalled: s.recall_bytes,
    fetched: s.prefetch_bytes, evicted: s.evicted_bytes, reads: s.fuse_read_requests, writes: s.fuse_write_requests,
  };
}

export function keep(samples: Sample[], next: Sample): Sample[] {
  const last = samples.at(-1);
  if (last && next.at <= last.at) return samples;
  return [...samples.filter((s) => s.at > next.at - kKeptMs), next];
}

export interface Point {
  at: number;
  value: number;
}

export const gauge = (samples: Sample[], key: 'used' | 'dirty'): Point[] => samples.map((s) => ({ at: s.at, value: s[key] }));

// Rates out of counters. A counter that went back means that tierd has restarted: no rate for that step.
export function rates(samples: Sample[], ...keys: Exclude<keyof Sample, 'at' | 'used' | 'dirty'>[]): Point[] {
  const out: Point[] = [];
  for (let i = 1; i < samples.length; i++) {
    const [a, b] = [samples[i - 1]!, samples[i]!];
    const grown = keys.reduce((n, k) => n + b[k] - a[k], 0);
    const s = (b.at - a.at) / 1000;
    if (grown >= 0 && s > 0) out.push({ at: b.at, value: grown / s });
  }
  return out;
}

export const useSamples = create<{ samples: Sample[] }>(() => ({ samples: [] }));

// The shell calls this, so that the charts have a past when the page is opened.
export function useSampling(): void {
  const { data, dataUpdatedAt } = useStatus();
  useEffect(() => {
    if (data) useSamples.setState((s) => ({ samples: keep(s.samples, sampleOf(data, dataUpdatedAt)) }));
  }, [data, dataUpdatedAt]);
}
