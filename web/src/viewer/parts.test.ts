import { expect, it } from 'vitest';
import type { ResultFile } from '../api/runs';
import { kMostBlocks, parseBox, partAt, partsAt, partsOf, placeIn, timesOf } from './parts';

const labels = (path: string, box: string, of = '/a.tif'): ResultFile => ({ path, kind: 'labels', size: 0, of, box });
const box = (t: number, level = 0) => `level=${level},t=${t},c=0,z=2:6,y=0:512,x=128:640`;

it('reads boxes, in any order, and refuses what is none', () => {
  expect(parseBox('level=1,t=3,c=0,z=0:16,y=0:512,x=128:640')).toEqual({ level: 1, t: 3, z: [0, 16], y: [0, 512], x: [128, 640] });
  expect(parseBox('x=0:8,y=0:9,z=0:1')).toEqual({ level: 0, t: 0, z: [0, 1], y: [0, 9], x: [0, 8] });
  for (const text of ['', undefined, 'z=0:1,y=0:9', 'z=0:1,y=9:9,x=0:8', 'level=-1,z=0:1,y=0:9,x=0:8', 'z=0:1,y=:9,x=0:8', 'nonsense']) expect(parseBox(text)).toBeNull();
});

it('the labels of a time point are those of the same step, field and image', () => {
  const files = [labels('/r/labels/t2.zarr', box(2)), labels('/r/labels/t3.zarr', box(3)), labels('/r/cells/t4.zarr', box(4)), labels('/r/labels/t5.zarr', box(5), '/b.tif')];
  const parts = partsOf(files, '/a.tif', '/r/labels/t2.zarr');
  expect(parts.map((p) => p.path)).toEqual(['/r/labels/t2.zarr', '/r/labels/t3.zarr']);
  expect([2, 3, 4].map((t) => partAt(parts, '/r/labels/t2.zarr', t)?.path)).toEqual(['/r/labels/t2.zarr', '/r/labels/t3.zarr', undefined]);
  expect(timesOf(parts)).toBe('time points 3 and 4');
});

it('of several blocks of a time point, the one of the same place', () => {
  const parts = partsOf([labels('/r/0.zarr', 't=0,z=0:1,y=0:8,x=0:8'), labels('/r/1.zarr', 't=0,z=0:1,y=0:8,x=8:16'), labels('/r/2.zarr', 't=1,z=0:1,y=0:8,x=0:8'), labels('/r/3.zarr', 't=1,z=0:1,y=0:8,x=8:16')], '/a.tif', '/r/1.zarr');
  expect(partAt(parts, '/r/1.zarr', 1)?.path).toBe('/r/3.zarr');
});

it('all blocks of a time point are shown at their planes, the chosen one first, and none twice', () => {
  const files = [labels('/r/0.zarr', 't=0,z=0:4,y=0:8,x=0:8'), labels('/r/1.zarr', 't=0,z=0:4,y=0:8,x=8:16'), labels('/r/2.zarr', 't=0,z=4:8,y=0:8,x=0:8'), labels('/r/3.zarr', 't=1,z=0:4,y=0:8,x=0:8'), labels('/r/4.zarr', 't=0,z=0:4,y=0:8,x=8:16')];
  const parts = partsOf(files, '/a.tif', '/r/1.zarr');
  const at = (t: number, z: number, chosen = '/r/1.zarr') => partsAt(parts, chosen, t, z).map((p) => p.path);
  expect(at(0, 2)).toEqual(['/r/1.zarr', '/r/0.zarr']);
  expect(at(0, 6)).toEqual(['/r/1.zarr', '/r/2.zarr']);
  expect(at(1, 2)).toEqual(['/r/3.zarr']);
  expect(at(0, 2, '/r/4.zarr')).toEqual(['/r/4.zarr', '/r/0.zarr']);
  expect(at(9, 2)).toEqual([]);
  const many = Array.from({ length: 200 }, (_, i) => labels(`/r/${i}.zarr`, `t=0,z=0:1,y=0:8,x=${8 * i}:${8 * i + 8}`));
  expect(partsAt(partsOf(many, '/a.tif', '/r/7.zarr'), '/r/7.zarr', 0, 0)).toHaveLength(kMostBlocks);
});

it('labels without a box are of the whole image, at all times', () => {
  expect(partAt(partsOf([labels('/r/0.zarr', '')], '/a.tif', '/r/0.zarr'), '/r/0.zarr', 7)).toEqual({ path: '/r/0.zarr', box: null });
  expect(partAt([], '/gone.zarr', 7)).toEqual({ path: '/gone.zarr', box: null });
  expect(placeIn(null, 5, 6, 7)).toEqual({ x: 5, y: 6, z: 7 });
});

it('a pixel of the image is a pixel of its labels, or outside', () => {
  const coarse = parseBox(box(3, 1));
  expect(placeIn(coarse, 300, 20, 4)).toEqual({ x: 22, y: 10, z: 2 });
  for (const [x, y, z] of [[255, 20, 4], [1280, 20, 4], [300, 1024, 4], [300, 20, 1], [300, 20, 6]]) expect(placeIn(coarse, x!, y!, z!)).toBeNull();
});
