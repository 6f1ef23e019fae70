import { expect, it } from 'vitest';
import { linePath, niceTop } from './chart';
import { keep, kKeptMs, rates, type Sample } from './samples';

const sample = (at: number, published: number): Sample => ({ at, used: 0, dirty: 0, published, recalled: 0, fetched: 0, evicted: 0, reads: 0, writes: 0 });

it('ten minutes are kept, and no sample twice', () => {
  let all: Sample[] = [];
  for (const at of [0, 1000, 1000, kKeptMs + 500]) all = keep(all, sample(at, 0));
  expect(all.map((s) => s.at)).toEqual([1000, kKeptMs + 500]);
});

it('a restarted tierd makes a gap, not a negative rate', () => {
  const points = rates([sample(0, 0), sample(2000, 400), sample(4000, 100), sample(6000, 300)], 'published');
  expect(points).toEqual([{ at: 2000, value: 200 }, { at: 6000, value: 100 }]);
});

it('the top of a chart is a round number', () => {
  expect([niceTop(0, 2), niceTop(900, 2), niceTop(1025, 2), niceTop(130, 10), niceTop(700, 10)]).toEqual([1024, 1024, 2048, 200, 1000]);
});

it('the newest point is at the right edge', () => expect(linePath([{ at: 0, value: 0 }, { at: kKeptMs, value: 1 }], kKeptMs, 1)).toBe('M0.0 71.0L320.0 3.0'));
