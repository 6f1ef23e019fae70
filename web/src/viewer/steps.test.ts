import { expect, it } from 'vitest';
import type { Dataset } from '../api/types';
import { lookAheadInDepth } from './steps';
import { createViewer } from './store';
import type { Tiles } from './tiles';
import { defaultView } from './view';

const dataset = { path: '/a', name: 'a', version: 'v', shape: { c: 2, z: 10, y: 700, x: 600 }, type: 'uint16', tile: 512, channels: [], labels: [] } as unknown as Dataset;

function setUp(isHere = true) {
  const store = createViewer(dataset, defaultView(dataset));
  const asked: { from: number; to: number; channels: number[]; signal: AbortSignal }[] = [];
  const tiles = { ahead: (_: number, from: number, to: number, channels: number[], signal: AbortSignal) => void asked.push({ from, to, channels, signal }) } as unknown as Tiles;
  const stop = lookAheadInDepth(store, dataset, tiles, () => isHere);
  const step = (z: number) => {
    store.getState().change({ z });
    store.getState().set({ loaded: false });
  };
  const arrive = () => store.getState().set({ loaded: true });
  return { store, asked, stop, step, arrive };
}

it('the plane behind the one that is complete is asked for, in the way of the last step', () => {
  const { asked, step, arrive, stop } = setUp();
  arrive();
  expect(asked).toEqual([]); // nobody has stepped yet
  step(6);
  expect(asked).toEqual([]); // it is not complete
  arrive();
  expect(asked.map((a) => [a.from, a.to, a.channels, a.signal.aborted])).toEqual([[6, 7, [0, 1], false]]);
  step(7); // what was asked for is wanted now
  expect(asked[0]!.signal.aborted).toBe(false);
  arrive();
  step(6);
  expect(asked.map((a) => [a.to, a.signal.aborted])).toEqual([[7, true], [8, true]]);
  arrive();
  expect(asked.at(-1)!.to).toBe(5);
  stop();
  expect(asked.at(-1)!.signal.aborted).toBe(true);
});

it('nothing is asked for behind the last plane, while planes are scrubbed past, or of an image that is in the archive', () => {
  const all = setUp();
  all.step(8);
  all.step(9);
  all.arrive();
  expect(all.asked).toEqual([]);
  const cold = setUp(false);
  cold.step(6);
  cold.arrive();
  expect(cold.asked).toEqual([]);
});
