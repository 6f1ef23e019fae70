// What happens in the hub, over a WebSocket. An event says what has changed; the page asks for it again.
import type { QueryClient, QueryKey } from '@tanstack/react-query';
import { create } from 'zustand';
import { isPlate } from '../plates/plate';
import { ApiError, get } from './client';

export interface HubEvent {
  kind: string; // "residency", "prefetch", "runs", "health", "tier"; "hello" first, "lost" when some were dropped
  at?: number; // unix seconds
  path?: string;
  run?: string;
  text?: string; // one plain sentence
}

export const kKept = 200;
const kFlushMs = 500; // a query is asked for at most twice a second
const kFirstWaitMs = 1000;
const kLongestWaitMs = 30_000;
const kSlowPaceMs = 30_000;

interface Live {
  open: boolean;
  events: HubEvent[]; // the newest come first
}

export const useLive = create<Live>(() => ({ open: false, events: [] }));

// How often something is asked for that events tell about.
export const paceOf = (ms: number, open: boolean) => (open ? Math.max(ms, kSlowPaceMs) : ms);
export function usePace(ms: number): number {
  const open = useLive((s) => s.open);
  return paceOf(ms, open);
}

const kConcerns: Record<string, string[]> = {
  residency: ['folder', 'totals', 'datasets', 'dataset', 'residency', 'levels', 'wells', 'stays', 'status'],
  prefetch: ['prefetches', 'status'],
  runs: ['runs', 'run', 'details', 'results', 'agents'],
  health: ['status', 'agents'],
  tier: ['status'],
};

const kOwn = new Set(['histogram', 'check', 'plan']); // answers that depend on the question alone

const holds = (outer: string, inner: string) => outer === '/' || inner === outer || inner.startsWith(outer + '/');

// Whether what a query has asked for may have changed. Queries about a path have it second in their key.
export function concerns(key: QueryKey, e: HubEvent): boolean {
  const [what, about] = key as [string, unknown];
  if (e.kind === 'lost') return !kOwn.has(what);
  if (!kConcerns[e.kind]?.includes(what)) return false;
  if (typeof about !== 'string' || about === '') return true;
  if (e.kind === 'residency' && e.path) return holds(about, e.path) || holds(e.path, about);
  return e.kind !== 'runs' || !e.run || about === e.run;
}

// The description of a plate is large, and no change of residency changes it.
const lasts = (data: unknown) => isPlate((data as { plate?: unknown } | undefined)?.plate);

// Asks again for what events concern: once for several events, and not while the answer to the last question is on its
// way, because that could be older than the event. What nobody looks at is asked for when somebody does.
export class Refresher {
  private readonly due = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private last = -Infinity;

  constructor(private readonly client: QueryClient) {}

  take(e: HubEvent): void {
    void this.client.invalidateQueries({ refetchType: 'none', predicate: (q) => concerns(q.queryKey, e) });
    for (const q of this.client.getQueryCache().getAll()) if (q.isActive() && concerns(q.queryKey, e) && !lasts(q.state.data)) this.due.add(q.queryHash);
    this.plan();
  }

  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.due.clear();
  }

  private plan(): void {
    if (this.timer || !this.due.size) return;
    this.timer = setTimeout(() => this.flush(), Math.max(0, this.last + kFlushMs - Date.now()));
  }

  private flush(): void {
    this.timer = null;
    this.last = Date.now();
    for (const hash of [...this.due]) {
      const found = this.client.getQueryCache().get(hash);
      if (found?.state.fetchStatus === 'fetching') continue; // in the next round
      this.due.delete(hash);
      if (found?.isActive()) void this.client.refetchQueries({ queryKey: found.queryKey, exact: true, type: 'active' });
    }
    this.plan();
  }
}

const same = (a: HubEvent, b: HubEvent) => JSON.stringify(a) === JSON.stringify(b);

// The newest first, each once.
export function added(events: HubEvent[], more: HubEvent[]): HubEvent[] {
  const fresh = more.filter((e) => e.kind !== 'hello' && !events.some((old) => same(old, e)));
  return [...fresh.reverse(), ...events].sort((a, b) => (b.at ?? 0) - (a.at ?? 0)).slice(0, kKept);
}

const kWords: Record<string, (e: HubEvent) => string> = {
  residency: (e) => `What is on the SSD has changed${e.path ? `: ${e.path}` : ''}.`,
  prefetch: () => 'A transfer from the archive has changed.',
  runs: (e) => `${e.run ? `The run ${e.run}` : 'A run'} has changed.`,
  health: () => 'The health of the tiers has changed.',
  tier: () => 'The state of the tiers has changed.',
  lost: () => 'Some events were not received; everything was asked for again.',
};
export const sentenceOf = (e: HubEvent) => e.text || (kWords[e.kind]?.(e) ?? `${e.kind}.`);

export const socketAddress = (page: string) => new URL('api/events', page.replace(/#.*/, '')).href.replace(/^http/, 'ws');

// Follows the hub until the answer is called. A hub without events is not bothered again; one that is not reachable is,
// at ever longer intervals.
export function followEvents(client: QueryClient, address = socketAddress(window.location.href)): () => void {
  const refresher = new Refresher(client);
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let wait = kFirstWaitMs;
  let ended = false;
  let connected = false; // ever

  const later = () => {
    if (ended) return;
    timer = setTimeout(() => void begin(), wait);
    wait = Math.min(kLongestWaitMs, 2 * wait);
  };
  const tell = (e: HubEvent) => {
    if (e.kind !== 'hello') useLive.setState((s) => ({ events: added(s.events, [e]) }));
    refresher.take(e);
  };
  const connect = () => {
    const mine = new WebSocket(address);
    socket = mine;
    mine.onmessage = ({ data }) => {
      let e: HubEvent;
      try {
        e = JSON.parse(String(data)) as HubEvent;
      } catch {
        return; // a newer hub may say what this page does not know
      }
      if (e.kind !== 'hello') return tell(e);
      wait = kFirstWaitMs;
      // What happened while nobody listened is not known.
      if (connected) refresher.take({ kind: 'lost' });
      connected = true;
      return useLive.setState({ open: true });
    };
    mine.onclose = () => {
      if (socket !== mine) return;
      socket = null;
      useLive.setState({ open: false });
      later();
    };
  };
  const begin = async () => {
    try {
      const { events } = await get<{ events: HubEvent[] }>('api/events/recent');
      if (ended) return;
      useLive.setState((s) => ({ events: added(s.events, events) }));
      connect();
    } catch (e) {
      // Without a session there is nothing to follow; an older hub does not know the address.
      if (!(e instanceof ApiError && [401, 404, 501].includes(e.status))) later();
    }
  };
  void begin();
  return () => {
    ended = true;
    if (timer) clearTimeout(timer);
    refresher.stop();
    const mine = socket;
    socket = null;
    mine?.close();
    useLive.setState({ open: false });
  };
}
