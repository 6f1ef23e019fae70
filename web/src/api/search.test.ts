import { afterEach, expect, it, vi } from 'vitest';
import { kMostHits, searchNames, type Hits } from './search';

const entry = (path: string) => ({ path });
function answer(...steps: { entries: { path: string }[]; next: string }[]) {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (address: string) => {
    asked.push(address);
    return new Response(JSON.stringify(steps[asked.length - 1]), { headers: { 'content-type': 'application/json' } });
  });
  return asked;
}
afterEach(() => vi.unstubAllGlobals());

it('goes on until there are no more, and shows each step', async () => {
  const asked = answer({ entries: [], next: 'aa' }, { entries: [entry('/a b')], next: 'bb' }, { entries: [entry('/c')], next: '' });
  const shown: Hits[] = [];
  await searchNames('a b', '/', (h) => shown.push(h), new AbortController().signal);
  expect(shown.map((h) => [h.entries.length, h.done])).toEqual([[0, false], [1, false], [2, true]]);
  expect(asked[0]).toBe('api/v1/find?name=a%20b&path=%2F&limit=500');
  expect(asked[2]).toContain('after=bb');
});

it('stops when there is enough to look at', async () => {
  const many = Array.from({ length: kMostHits }, (_, i) => entry(`/${i}`));
  const asked = answer({ entries: many, next: 'more' });
  const shown: Hits[] = [];
  await searchNames('x', '/', (h) => shown.push(h), new AbortController().signal);
  expect(asked).toHaveLength(1);
  expect(shown.at(-1)).toMatchObject({ done: false });
});
