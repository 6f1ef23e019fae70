import { expect, it } from 'vitest';
import type { Entry } from '../api/types';
import { chunkIndex, squeezed, stripOfBytes, stripOfChunks } from './residency-map';

const file = (path: string, resident: number, dirty = 0) => ({ path, kind: 'file', size: 10, resident, dirty }) as Entry;

it('chunks are read as Zarr names them', () => {
  expect([chunkIndex('0/1/12', 'zyx'), chunkIndex('c/0/1/12', 'zyx'), chunkIndex('0.1.12', 'zyx'), chunkIndex('.zarray', 'zyx'), chunkIndex('zarr.json', 'zyx'), chunkIndex('0/1', 'zyx')]).toEqual([[0, 1, 12], [0, 1, 12], [0, 1, 12], null, null, null]);
});

it('a level is a strip of planes; a plane without chunks is empty', () => {
  const strip = stripOfChunks('level 0', '/a/0', 'czyx', 'z', [file('/a/0/.zarray', 10), file('/a/0/0/0/0/0', 10), file('/a/0/1/0/0/0', 0), file('/a/0/0/2/0/0', 5, 5)]);
  expect(strip.unit).toBe('plane');
  expect(strip.cells).toEqual([{ size: 20, resident: 10, dirty: 0 }, { size: 0, resident: 0, dirty: 0 }, { size: 10, resident: 5, dirty: 5 }]);
});

it('ranges of bytes fill the parts of a file that they cover', () => {
  const { cells } = stripOfBytes('a.tif', { size: 100, dirty: 0, ranges: [{ begin: 0, end: 30 }, { begin: 95, end: 100 }] }, 4);
  expect(cells.map((c) => c.resident)).toEqual([25, 5, 0, 5]);
  expect(stripOfBytes('empty', { size: 0, dirty: 0, ranges: [] }).cells).toEqual([]);
});

it('more cells than one sees are put together', () => {
  const cells = squeezed(Array.from({ length: 5 }, () => ({ size: 1, resident: 1, dirty: 0 })), 2);
  expect(cells.map((c) => c.size)).toEqual([2, 3]);
});
