import { expect, it } from 'vitest';
import type { Dataset } from '../api/types';
import { nextProjection } from './keys';
import { lengthText, parseLineText, profilePath, profiles, profileTable, rangeOf } from './line';
import { combine, extentOf, planesOf, ProjectedLevel, projectionText } from './projection';
import { aspectOf, loadStack, sliceOf, stackOf } from './slices';
import { createViewer, pixelAt, screenAt } from './store';
import { Tiles } from './tiles';
import { defaultView, formatView, parseView } from './view';

const shape = { t: 1, c: 2, z: 24, y: 2048, x: 2048 };
const dataset: Dataset = {
  path: '/a', name: 'a', format: '', version: '1', axes: 'czyx', shape, type: 'uint16', bytes: 0, voxel_size: { z: 2, y: 0.5, x: 0.25 }, voxel_unit: 'micrometer',
  levels: [2048, 1024, 512].map((n) => ({ shape: { ...shape, x: n, y: n }, stored: true })), tile: 512, channels: [], labels: [], not_decodable: null, state: 'hot', resident: 0, size: 0,
};
const tile = (...values: number[]) => ({ data: Uint16Array.from(values), width: values.length, height: 1 });

it('planes become one: the largest or the mean of each voxel, rounded', () => {
  const three = [tile(1, 9, 0), tile(4, 2, 0), tile(2, 2, 1)];
  expect([...combine('max', three).data]).toEqual([4, 9, 1]);
  expect([...combine('mean', three).data]).toEqual([2, 4, 0]);
  const half = combine('mean', [{ data: Float32Array.of(-1), width: 1, height: 1 }, { data: Float32Array.of(0), width: 1, height: 1 }]);
  expect(half.data[0]).toBe(-0.5);
  expect(three[0]!.data[0]).toBe(1); // the tiles of the cache stay as they are
});

it('a projection is as sharp as its budget allows', () => {
  const p = { how: 'max', first: 0, last: 23 } as const;
  const of = (zoom: number, budget?: number) => extentOf(dataset, p, 2, { x: 0, y: 0, zoom }, 1000, 800, budget);
  expect(of(-1)).toEqual({ finest: 0, stride: 1 }); // level 1 is what is loaded
  expect(of(0)).toEqual({ finest: 1, stride: 1 }); // all of level 0 would be 400 MB
  expect(of(0, 2 ** 30)).toEqual({ finest: 0, stride: 1 });
  expect(of(0, 512 * 512 * 4 * 6)).toEqual({ finest: 2, stride: 4 });
  expect([planesOf({ ...p, last: 6 }, 3), planesOf({ how: 'max', first: 5, last: 5 }, 1)]).toEqual([[0, 3, 6], [5]]);
  expect(projectionText(p, { finest: 1, stride: 4 })).toBe('maximum of 24 planes, at 1/2 of the resolution, one plane in 4');
  expect([nextProjection(null, 24)?.how, nextProjection(p, 24)?.how, nextProjection({ ...p, how: 'mean' }, 24), nextProjection(null, 1)]).toEqual(['max', 'mean', null, null]);
});

it('a projected tile asks for each plane once, with all its channels', async () => {
  const asked: string[] = [];
  const tiles = new Tiles(dataset, { onCold: () => {}, onStale: () => {}, onError: () => {} }, (address) => {
    asked.push(address);
    const [channels, z] = [address.split('/').at(-4)!.split(','), Number(address.split('/').at(-3))];
    return Promise.resolve(new Response(Uint16Array.from({ length: 512 * 512 * channels.length }, (_, i) => z + Math.floor(i / (512 * 512)))));
  });
  const level = new ProjectedLevel(tiles, 2, { how: 'max', first: 3, last: 6 }, 1);
  const both = await Promise.all([0, 1].map((c) => level.getTile({ x: 0, y: 0, selection: { t: 0, z: 0, c } })));
  expect(both.map((t) => t.data[5])).toEqual([6, 7]);
  expect(asked.sort()).toEqual([3, 4, 5, 6].map((z) => `img/1/a/2/0/0,1/${z}/0/0`));
});

it('a line has a length in the unit of the image', () => {
  const line = { x1: 0, y1: 0, x2: 40, y2: 0 };
  expect(lengthText(dataset, line)).toBe('10 µm (40 px)');
  expect(lengthText(dataset, { ...line, x2: 0, y2: 40 })).toBe('20 µm (40 px)');
  expect(lengthText({ ...dataset, voxel_size: null }, { x1: 1, y1: 1, x2: 4, y2: 5 })).toBe('5 px');
  expect(parseLineText('1, 2 – 3; 4.5')).toEqual({ x1: 1, y1: 2, x2: 3, y2: 4.5 });
  expect([parseLineText('1,2,3'), parseLineText('a,b,c,d')]).toEqual([null, null]);
});

it('a profile has the values that are here, and gaps where none are', () => {
  const tiles = { valueAt: (_t: number, z: number, c: number, x: number) => (x < 2 ? { value: 10 * c + Math.floor(x) + z, level: 0 } : null) } as unknown as Tiles;
  const line = { x1: -1, y1: 5, x2: 3, y2: 5 };
  const all = profiles(dataset, tiles, line, 0, 1, null, [0, 1]);
  expect(all.map((p) => [...p.values])).toEqual([[NaN, 1, 2, NaN, NaN], [NaN, 11, 12, NaN, NaN]]);
  expect(rangeOf(all)).toEqual([1, 12]);
  expect([...profiles(dataset, tiles, line, 0, 1, { how: 'max', first: 0, last: 4 }, [0])[0]!.values]).toEqual([NaN, 4, 5, NaN, NaN]);
  expect(profilePath(all[0]!.values, 1, 12, 40, 10)).toBe('M10.0 8.0L20.0 7.5');
  expect(profileTable(dataset, line, all, ['DAPI', 'GFP']).split('\n').slice(0, 3)).toEqual(['distance_µm\tDAPI\tGFP', '0.0000\t\t', '0.2500\t1\t11']);
  expect(rangeOf([])).toBeNull();
});

it('labels of a run, a table, an object, a line and a projection are in the address', () => {
  const view = { ...defaultView(dataset), labels: '/r/l.zarr', table: '/r/t.csv', object: 7, line: { x1: 1, y1: 2, x2: 3.25, y2: 4 }, projection: { how: 'mean' as const, first: 2, last: 9 } };
  const hash = formatView('/a', view, dataset);
  expect(hash).toContain('labels=/r/l.zarr&table=/r/t.csv&object=7&line=1,2,3.3,4&proj=mean,2,9');
  expect(parseView(new URLSearchParams(hash.split('?')[1]), dataset)).toMatchObject({ ...view, line: { ...view.line, x2: 3.3 } });
  const nonsense = parseView(new URLSearchParams('labels=x&table=t.csv&object=-1&line=1,2,3&proj=sum,1,2'), dataset);
  expect(nonsense).toMatchObject({ labels: '', table: '', object: 0, line: null, projection: null });
  expect(parseView(new URLSearchParams('proj=max,20,99'), dataset).projection).toEqual({ how: 'max', first: 20, last: 23 });
});

it('a pixel is where it is drawn', () => {
  const store = createViewer(dataset, { ...defaultView(dataset), camera: { x: 100, y: 50, zoom: 1 } });
  store.getState().set({ width: 400, height: 300 });
  const at = screenAt(store.getState(), dataset, 110, 60);
  expect(at).toEqual({ x: 220, y: 170 });
  expect(pixelAt(store.getState(), dataset, at.x, at.y)).toEqual({ x: 110, y: 60 });
});

it('slices go through the coarsest level, along x and along y', async () => {
  const small: Dataset = { ...dataset, shape: { c: 1, z: 3, y: 2, x: 4 }, levels: [{ shape: { c: 1, z: 3, y: 2, x: 4 }, stored: true }] };
  const tiles = new Tiles(small, { onCold: () => {}, onStale: () => {}, onError: () => {} }, (address) => {
    const z = Number(address.split('/').at(-3));
    return z === 2 ? Promise.reject(new TypeError('broken')) : Promise.resolve(new Response(Uint16Array.from({ length: 8 }, (_, i) => 100 * z + 10 * i)));
  });
  const stack = stackOf(small, 1)!;
  expect(stack).toEqual({ level: 0, stride: 1, planes: [0, 1, 2], width: 4, height: 2 });
  const planes: (Map<number, { data: Uint16Array }> | undefined)[] = [undefined, undefined, undefined];
  const order: number[] = [];
  await loadStack(tiles, stack, 0, 1, [0], (i, parts) => { planes[i] = parts as never; order.push(i); }, new AbortController().signal);
  expect(order.sort()).toEqual([0, 1]);
  const looks = [{ channel: 0, view: { visible: true, colour: 'ff0000', low: null, high: null, gamma: 1 }, limits: [0, 255] as [number, number] }];
  const red = (bytes: Uint8ClampedArray) => Array.from({ length: bytes.length / 4 }, (_, i) => (bytes[4 * i + 3] ? bytes[4 * i] : -1));
  expect(red(sliceOf(planes as never, stack, 'x', 1, looks))).toEqual([40, 50, 60, 70, 140, 150, 160, 170, -1, -1, -1, -1]);
  expect(red(sliceOf(planes as never, stack, 'y', 99, looks))).toEqual([30, 70, 130, 170, -1, -1]);
  expect(aspectOf(small, 'x')).toBeCloseTo((4 * 0.25) / (3 * 2));
});

it('slices of a deep image leave planes out, and a flat one has none', () => {
  expect(stackOf(dataset, 2)).toMatchObject({ level: 2, stride: 1 });
  expect(stackOf({ ...dataset, shape: { ...shape, z: 1000 }, levels: dataset.levels!.map((l) => ({ ...l, shape: { ...l.shape, z: 1000 } })) }, 2)).toMatchObject({ stride: 8 });
  expect(stackOf({ ...dataset, levels: dataset.levels!.slice(0, 1) }, 2)).toBeNull();
  expect(stackOf({ ...dataset, shape: { ...shape, z: 1 } }, 2)).toBeNull();
});
