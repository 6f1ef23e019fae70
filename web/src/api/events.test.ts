import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { added, concerns, followEvents, paceOf, Refresher, sentenceOf, socketAddress, useLive, type HubEvent } from './events';

beforeEach(() => {
  vi.useFakeTimers();
  useLive.setState({ open: false, runs: false, events: [] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('an event concerns what is above and below its path, and its kind of question', () => {
  const e: HubEvent = { kind: 'residency', path: '/a/scan.zarr' };
  const hit = (...key: string[]) => concerns(key, e);
  expect([hit('folder', '/a'), hit('folder', '/'), hit('dataset', '/a/scan.zarr'), hit('residency', '/a/scan.zarr/0'), hit('status')]).toEqual([true, true, true, true, true]);
  expect([hit('folder', '/b'), hit('dataset', '/a/scan.zarr2'), hit('runs'), hit('histogram', '/a/scan.zarr')]).toEqual([false, false, false, false]);
  expect(concerns(['details', 'r1'], { kind: 'runs', run: 'r1' })).toBe(true);
  expect(concerns(['details', 'r2'], { kind: 'runs', run: 'r1' })).toBe(false);
  expect(concerns(['runs'], { kind: 'runs', run: 'r1' })).toBe(true);
  expect(concerns(['anything', 'x'], { kind: 'lost' })).toBe(true);
  expect(concerns(['folder', '/a'], { kind: 'of tomorrow' })).toBe(false);
});

function watched(key: string[], answer: () => Promise<unknown>) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const asked: number[] = [];
  const observer = new QueryObserver(client, { queryKey: key, queryFn: () => { asked.push(Date.now()); return answer(); } });
  const stop = observer.subscribe(() => {});
  return { client, asked, stop };
}

it('a hundred events in a second are at most two questions a second', async () => {
  const { client, asked, stop } = watched(['folder', '/a'], async () => 1);
  await vi.advanceTimersByTimeAsync(10);
  const refresher = new Refresher(client);
  for (let i = 0; i < 100; i++) {
    refresher.take({ kind: 'residency', path: '/a/x' });
    await vi.advanceTimersByTimeAsync(10);
  }
  await vi.advanceTimersByTimeAsync(2000);
  expect(asked.length - 1).toBeGreaterThanOrEqual(2);
  expect(asked.length - 1).toBeLessThanOrEqual(4);
  asked.slice(2).forEach((at, i) => expect(at - asked[i + 1]!).toBeGreaterThanOrEqual(500));
  stop();
});

it('an event during an answer is followed by another question, and the slow answer is not cut off', async () => {
  const { client, asked, stop } = watched(['totals', '/a'], () => new Promise((done) => setTimeout(done, 1200, 1)));
  const refresher = new Refresher(client);
  await vi.advanceTimersByTimeAsync(300); // the first question is open
  refresher.take({ kind: 'residency', path: '/a/x' });
  await vi.advanceTimersByTimeAsync(600);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1500);
  expect(asked).toHaveLength(2);
  stop();
});

it('events are kept once, the newest first, and say something even without words', () => {
  const one = { kind: 'runs', run: 'r1', at: 5 };
  expect(added([one], [{ kind: 'hello' }, { kind: 'runs', run: 'r1', at: 5 }, { kind: 'health', at: 9, text: 'The archive is back.' }]).map(sentenceOf)).toEqual(['The archive is back.', 'The run r1 has changed.']);
  expect(added(Array.from({ length: 300 }, (_, at) => ({ kind: 'tier', at })), []).length).toBe(200);
});

it('what the hub says begins and ends as a sentence', () => expect(sentenceOf({ kind: 'residency', text: 'what is in /a has changed' })).toBe('What is in /a has changed.'));

it('addresses', () => {
  expect(socketAddress('https://hub.example.org/lab/#/view?path=/a')).toBe('wss://hub.example.org/lab/api/events');
  expect(socketAddress('http://127.0.0.1:8080/')).toBe('ws://127.0.0.1:8080/api/events');
  expect([paceOf(1000, false), paceOf(1000, true), paceOf(60_000, true)]).toEqual([1000, 30_000, 60_000]);
});

class FakeSocket {
  static all: FakeSocket[] = [];
  onmessage: ((e: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;
  constructor(readonly address: string) {
    FakeSocket.all.push(this);
  }
  say(e: HubEvent) {
    this.onmessage?.({ data: JSON.stringify(e) });
  }
  close() {
    this.closed = true;
    this.onclose?.();
  }
}

function hub(status = 200) {
  FakeSocket.all = [];
  const state = { status, asked: 0, waited: [] as string[], answer: null as null | (() => object) };
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('fetch', async (address: string, { signal }: { signal: AbortSignal }) => {
    if (address.startsWith('api/v1/events')) {
      state.waited.push(address);
      if (!state.answer) return new Response('{"error": "no"}', { status: 404 });
      if (address.includes('wait_ms=20000')) await new Promise((done, fail) => { setTimeout(done, 20_000); signal.addEventListener('abort', () => fail(new DOMException('gone', 'AbortError'))); });
      return new Response(JSON.stringify(state.answer()));
    }
    state.asked++;
    return new Response(JSON.stringify(state.status === 200 ? { events: [{ kind: 'tier', at: 1, text: 'It began.' }] } : { error: 'no' }), { status: state.status });
  });
  return state;
}

it('polling slows only after hello, and a broken socket is opened again, ever later', async () => {
  const state = hub();
  const client = new QueryClient();
  const stop = followEvents(client, 'ws://hub/api/events');
  await vi.advanceTimersByTimeAsync(1);
  expect(useLive.getState()).toMatchObject({ open: false, events: [{ text: 'It began.' }] });
  FakeSocket.all[0]!.say({ kind: 'hello' });
  FakeSocket.all[0]!.say({ kind: 'health', at: 2, text: 'All is well.' });
  expect(useLive.getState().open).toBe(true);
  expect(useLive.getState().events.map(sentenceOf)).toEqual(['All is well.', 'It began.']);
  FakeSocket.all[0]!.onclose!();
  expect(useLive.getState().open).toBe(false);
  await vi.advanceTimersByTimeAsync(1001);
  expect(FakeSocket.all).toHaveLength(2);
  for (let i = 1; i < 8; i++) {
    FakeSocket.all[i]!.onclose!();
    await vi.advanceTimersByTimeAsync(30_001);
    expect(FakeSocket.all).toHaveLength(i + 2);
  }
  FakeSocket.all.at(-1)!.onclose!();
  await vi.advanceTimersByTimeAsync(29_000);
  const asked = state.asked;
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(state.asked).toBe(asked);
});

it('without a WebSocket tierd is asked, and runs are still polled', async () => {
  const state = hub();
  let round = 0;
  state.answer = () => (++round === 1 ? { events: [{ seq: 7, kind: 'tier', at: '2026-11-30T10:00:00Z', text: 'Old.' }], next: 8, lost: false } : { events: [{ seq: 8, kind: 'residency', at: '2026-11-30T10:00:09Z', path: '/a', text: 'New.' }], next: 9, lost: round === 3 });
  const { client, asked, stop } = watched(['folder', '/a'], async () => 1);
  const end = followEvents(client, 'ws://hub/api/events');
  await vi.advanceTimersByTimeAsync(1);
  FakeSocket.all[0]!.onclose!(); // it never said hello
  await vi.advanceTimersByTimeAsync(1000);
  expect(useLive.getState()).toMatchObject({ open: true, runs: false });
  expect(useLive.getState().events.map(sentenceOf)).toEqual(['Old.']);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(state.waited.slice(0, 2)).toEqual(['api/v1/events?last=200&wait_ms=0', 'api/v1/events?since=8&wait_ms=20000']);
  expect(useLive.getState().events.map(sentenceOf)).toEqual(['New.', 'Old.']);
  expect(asked).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(21_000);
  expect(state.waited[2]).toContain('since=9');
  expect(useLive.getState().events.some((e) => e.kind === 'lost')).toBe(true);
  // In time a WebSocket is tried again.
  await vi.advanceTimersByTimeAsync(300_000);
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.all[1]!.say({ kind: 'hello' });
  expect(useLive.getState()).toMatchObject({ open: true, runs: true });
  end();
  stop();
});

it('after a gap everything is asked for again', async () => {
  hub();
  const { client, asked, stop } = watched(['workflows'], async () => 1);
  const end = followEvents(client, 'ws://hub/api/events');
  await vi.advanceTimersByTimeAsync(1);
  FakeSocket.all[0]!.say({ kind: 'hello' });
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toHaveLength(1);
  FakeSocket.all[0]!.say({ kind: 'lost' });
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toHaveLength(2);
  FakeSocket.all[0]!.onclose!();
  await vi.advanceTimersByTimeAsync(1001);
  FakeSocket.all[1]!.say({ kind: 'hello' });
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toHaveLength(3);
  FakeSocket.all[1]!.onmessage!({ data: 'not JSON' });
  end();
  stop();
});

it('without a session the page asks for one at once, and follows again when there is one', async () => {
  const state = hub(401);
  const { client, asked, stop } = watched(['session'], async () => 1);
  const end = followEvents(client, 'ws://hub/api/events');
  await vi.advanceTimersByTimeAsync(500);
  expect([asked.length, FakeSocket.all.length]).toEqual([2, 0]);
  state.status = 200;
  await vi.advanceTimersByTimeAsync(5000);
  expect(FakeSocket.all).toHaveLength(1);
  end();
  stop();
});

it('an older hub is not asked twice', async () => {
  const state = hub(404);
  const stop = followEvents(new QueryClient(), 'ws://hub/api/events');
  await vi.advanceTimersByTimeAsync(120_000);
  expect([state.asked, FakeSocket.all.length, useLive.getState().open]).toEqual([1, 0, false]);
  stop();
});

it('a hub that is not reachable is asked again', async () => {
  const state = hub(502);
  const stop = followEvents(new QueryClient(), 'ws://hub/api/events');
  await vi.advanceTimersByTimeAsync(20_000);
  expect(state.asked).toBeGreaterThanOrEqual(4);
  expect(state.asked).toBeLessThanOrEqual(6);
  stop();
});
