// What happens in the hub: over a WebSocket, or, where there is none, by questions that wait for an answer. An event says
// what has changed; the page asks for it again.
import type { QueryClient, QueryKey } from '@tanstack/react-query';
import { create } from 'zustand';
import { isPlate } from '../plates/plate';
import { tellAllArrivals, tellArrival, type ArrivedTile } from './arrivals';
import { ApiError, get, query, sentence } from './client';

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
const kHoldMs = 20_000; // how long the hub may keep a question
const kLeastPauseMs = 300; // between two of them
const kAskForMs = 300_000; // then a WebSocket is tried once more

interface Live {
  open: boolean; // events of the tiers are heard
  runs: boolean; // and those of runs
  events: HubEvent[]; // the newest come first
}

export const useLive = create<Live>(() => ({ open: false, runs: false, events: [] }));

// How often something is asked for that events tell about.
export const paceOf = (ms: number, open: boolean) => (open ? Math.max(ms, kSlowPaceMs) : ms);
export function usePace(ms: number, of: 'open' | 'runs' = 'open'): number {
  const heard = useLive((s) => s[of]);
  return paceOf(ms, heard);
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
export const sentenceOf = (e: HubEvent) => sentence(e.text || (kWords[e.kind]?.(e) ?? e.kind));

export const socketAddress = (page: string) => new URL('api/events', page.replace(/#.*/, '')).href.replace(/^http/, 'ws');

const kSilent = { open: false, runs: false };

// Resolves after some time, or at once when it is aborted.
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}

// A page that nobody sees asks nothing: a question that waits takes one of the few connections of a browser to a hub.
const isHidden = () => typeof document !== 'undefined' && document.visibilityState === 'hidden';
async function untilSeen(signal: AbortSignal): Promise<void> {
  while (isHidden() && !signal.aborted) await sleep(1000, signal);
}

interface Waited {
  events: (Omit<HubEvent, 'at'> & { at?: string | number })[];
  next: number | string;
  lost: boolean;
}

const inSeconds = (at: string | number | undefined) => (typeof at === 'string' ? Date.parse(at) / 1000 || undefined : at);

class Follower {
  private readonly refresher: Refresher;
  private readonly end = new AbortController();
  private connected = false; // ever: what happened in between is not known

  constructor(private readonly client: QueryClient, private readonly address: string) {
    this.refresher = new Refresher(client);
    void this.run();
  }

  stop(): void {
    this.end.abort();
    this.refresher.stop();
    useLive.setState(kSilent);
  }

  private async run(): Promise<void> {
    const { signal } = this.end;
    for (let wait = kFirstWaitMs; !signal.aborted; wait = Math.min(kLongestWaitMs, 2 * wait)) {
      try {
        const { events } = await get<{ events: HubEvent[] }>('api/events/recent', signal);
        useLive.setState((s) => ({ events: added(s.events, events) }));
        if ((await this.listen()) || (!signal.aborted && (await this.ask()))) wait = kFirstWaitMs / 2;
      } catch (e) {
        if (e instanceof ApiError && [404, 501].includes(e.status)) return; // an older hub does not know the address
        // Somebody may sign in again, in another tab. The page says so at once.
        if (e instanceof ApiError && e.status === 401) void this.client.invalidateQueries({ queryKey: ['session'] });
      }
      if (!signal.aborted) useLive.setState(kSilent);
      await sleep(Math.max(kFirstWaitMs, wait), signal);
    }
  }

  private tell(e: HubEvent): void {
    if (e.kind === 'lost') tellAllArrivals();
    if (e.kind !== 'hello') useLive.setState((s) => ({ events: added(s.events, [e]) }));
    this.refresher.take(e);
  }

  private begin(state: { open: boolean; runs: boolean }): void {
    if (this.connected) this.refresher.take({ kind: 'lost' });
    this.connected = true;
    useLive.setState(state);
  }

  // Until the socket closes; false if nothing was heard.
  private listen(): Promise<boolean> {
    return new Promise((done) => {
      const socket = new WebSocket(this.address);
      const close = () => socket.close();
      this.end.signal.addEventListener('abort', close, { once: true });
      let heard = false;
      socket.onmessage = ({ data }) => {
        if (this.end.signal.aborted) return undefined;
        let e: HubEvent;
        try {
          e = JSON.parse(String(data)) as HubEvent;
        } catch {
          return undefined; // a newer hub may say what this page does not know
        }
        if (e.kind === 'tile') return tellArrival(e as unknown as ArrivedTile);
        if (e.kind !== 'hello') return this.tell(e);
        heard = true;
        return this.begin({ open: true, runs: true });
      };
      socket.onclose = () => {
        this.end.signal.removeEventListener('abort', close);
        useLive.setState(kSilent);
        done(heard);
      };
    });
  }

  // tierd's own events; it knows no runs. Until that fails; false if it did not work at all.
  private async ask(): Promise<boolean> {
    const { signal } = this.end;
    let next: Waited['next'] | null = null;
    const begun = Date.now();
    while (!signal.aborted && Date.now() - begun < kAskForMs) {
      await untilSeen(signal);
      const asked = Date.now();
      let answer: Waited;
      try {
        const question = query(next === null ? { last: kKept, wait_ms: 0 } : { since: next, wait_ms: kHoldMs });
        answer = await this.whileSeen((seen) => get<Waited>(`api/v1/events?${question}`, seen));
      } catch (e) {
        if (isHidden() || (e instanceof DOMException && !signal.aborted)) continue; // it goes on from where it was
        return next !== null;
      }
      const events = answer.events.map(({ at, ...e }): HubEvent => ({ ...e, at: inSeconds(at) }));
      if (next === null) {
        useLive.setState({ events: added([], events) });
        this.begin({ open: true, runs: false });
      } else {
        if (answer.lost) this.tell({ kind: 'lost' });
        events.forEach((e) => this.tell(e));
      }
      const early = next !== null && !events.length && Date.now() - asked < kHoldMs - 1000;
      next = answer.next;
      await sleep(early ? 1000 : kLeastPauseMs, signal);
    }
    return true;
  }

  // Ends with the follower, and when the page is hidden.
  private async whileSeen<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    const { signal } = stop;
    if (typeof document !== 'undefined') document.addEventListener('visibilitychange', () => isHidden() && stop.abort(), { signal });
    this.end.signal.addEventListener('abort', () => stop.abort(), { signal });
    try {
      return await ask(signal);
    } finally {
      stop.abort(); // and its listeners go
    }
  }
}

// Follows the hub until the answer is called. A hub without events is not bothered again; one that is not reachable is,
// at ever longer intervals.
export function followEvents(client: QueryClient, address = socketAddress(window.location.href)): () => void {
  const follower = new Follower(client, address);
  return () => follower.stop();
}
