import { expect, it } from 'vitest';
import type { Tiles } from '../viewer/tiles';
import { gridOf, kOtherBlock, loadLabels, put, type Grid } from './labels';
import type { Plan } from './plan';

const plan = (width: number, height: number, depth: number, level = 0) => ({ level, stride: 1, planes: Array.from({ length: depth }, (_, i) => i), width, height, bytes: 0, size: [1, 1, 1] }) as Plan;
const grid = (level: number, width: number, height: number): Grid => ({ level, planes: [0], width, height, size: [width, height, 1] });

it('labels that need too much memory are on a coarser grid, which covers the same volume', () => {
  expect(gridOf(plan(1001, 600, 10))).toMatchObject({ level: 0, width: 1001, height: 600, size: [1001, 600, 10] });
  expect(gridOf(plan(1001, 600, 10, 2), 10_000_000)).toMatchObject({ level: 3, width: 501, height: 300, size: [500.5, 300, 10] });
});

it('a tile of a block is written where the block is, on any grid', () => {
  const tile = { data: Uint32Array.of(1, 2, 3, 4), width: 2, height: 2 };
  const same = new Uint32Array(4 * 3);
  put(same, grid(0, 4, 3), tile, 0, 0, { x: 1, y: 1, voxel: 1 }, 0);
  expect([...same]).toEqual([0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0]);
  const finer = new Uint32Array(4 * 4); // one label is two voxels wide
  put(finer, grid(0, 4, 4), tile, 0, 0, { x: 0, y: 0, voxel: 2 }, 0);
  expect([...finer]).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
  const coarser = new Uint32Array(1);
  put(coarser, grid(1, 1, 1), tile, 0, 0, { x: 0, y: 0, voxel: 1 }, 0);
  expect([...coarser]).toEqual([1]);
});

it('tiles side by side leave no gap and no seam', () => {
  const all = new Uint32Array(5);
  for (const left of [0, 4, 8]) put(all, grid(1, 5, 1), { data: Uint32Array.from({ length: 4 }, (_, i) => left + i + 1), width: 4, height: 1 }, left, 0, { x: 0, y: 0, voxel: 1 }, 0);
  expect([...all]).toEqual([1, 3, 5, 7, 9]);
});

function labels(values: number[][], box: null | { x: [number, number]; z: [number, number] }) {
  const shape = { t: 1, c: 1, z: values.length, y: 1, x: values[0]!.length };
  const dataset = { shape, tile: 512, levels: [{ shape, stored: true }] };
  const get = async ({ z }: { z: number }) => ({ data: Uint32Array.from(values[z]!), width: shape.x, height: 1 });
  return { tiles: { dataset, get } as unknown as Tiles, box: box && { level: 0, t: 0, y: [0, 1] as [number, number], ...box } };
}

it('blocks are put together, the first one wins, and the numbers of the others are marked', async () => {
  const whole = { level: 0, planes: [0, 1, 2], width: 4, height: 1, size: [4, 1, 3] } as Grid;
  const planes: number[][] = [];
  let part = 0;
  const first = labels([[5, 0, 6]], { x: [0, 3], z: [1, 2] });
  const second = labels([[9, 9], [9, 0]], { x: [2, 4], z: [1, 3] });
  await loadLabels([first, second], whole, 0, (z, ids) => (planes[z] = [...ids]), (n) => (part = n), new AbortController().signal);
  const other = (n: number) => (n | kOtherBlock) >>> 0;
  expect(planes).toEqual([[0, 0, 0, 0], [5, 0, 6, other(9)], [0, 0, other(9), 0]]);
  expect(part).toBe(1);
});
