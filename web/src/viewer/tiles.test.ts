import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tellAllArrivals, tellArrival } from '../api/arrivals';
import { ApiError } from '../api/client';
import type { Dataset } from '../api/types';
import { reader } from './samples';
import { levelsOf } from './source';
import { kAborted, Tiles } from './tiles';

const dataset: Dataset = {
  path: '/a b/scan', name: 'scan', format: 'OME-Zarr', version: 'v/1', axes: 'czyx', shape: { c: 3, z: 5, y: 700, x: 600 }, type: 'uint16', bytes: 0, voxel_size: null, voxel_unit: '',
  levels: [{ shape: { c: 3, z: 5, y: 700, x: 600 }, stored: true }, { shape: { c: 3, z: 5, y: 350, x: 300 }, stored: true }],
  tile: 512, channels: [], labels: [], not_decodable: null, state: 'hot', resident: 0, size: 0,
};
const edge = { level: 0, t: 0, z: 2, y: 1, x: 1 }; // 88 x 188

function body(width: number, height: number, channels: number[]): Response {
  const data = new Uint16Array(width * height * channels.length);
  channels.forEach((c, i) => data.fill(100 * (c + 1), i * width * height, (i + 1) * width * height));
  return new Response(data.buffer);
}
const channelsOf = (address: string) => address.split('/').at(-4)!.split(',').map(Number);

function setUp(answer?: (address: string, signal: AbortSignal, nth: number) => Promise<Response>) {
  const asked: string[] = [];
  const cold: [number, number][] = [];
  const errors: string[] = [];
  let stale = 0;
  const events = { onCold: (n: number, eta: number) => void cold.push([n, eta]), onStale: () => void stale++, onError: (t: string) => void errors.push(t) };
  const tiles = new Tiles(dataset, events, (address, signal) => {
    asked.push(address);
    if (answer) return answer(address, signal, asked.length);
    return Promise.resolve(body(88, 188, channelsOf(address)));
  });
  return { tiles, asked, cold, errors, stale: () => stale };
}
const hanging = (signal: AbortSignal) => new Promise<Response>((_, reject) => signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError'))));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('coalescing', () => {
  it('asks once for all channels of a tile, and not again for what it has', async () => {
    const { tiles, asked } = setUp();
    const [a, b] = await Promise.all([tiles.get(edge, 2), tiles.get(edge, 0)]);
    expect(asked).toEqual(['img/v%2F1/a%20b/scan/0/0/0,2/2/1/1']);
    expect([a.data[0], b.data[0], a.width, a.height]).toEqual([300, 100, 88, 188]);
    await Promise.all([tiles.get(edge, 0), tiles.get(edge, 1)]);
    expect(asked[1]).toBe('img/v%2F1/a%20b/scan/0/0/1/2/1/1');
    expect(asked).toHaveLength(2);
  });

  it('knows the values that are here, the sharpest first', async () => {
    const { tiles } = setUp((address) => Promise.resolve(address.includes('/1/0/') ? body(300, 350, [0]) : body(88, 188, channelsOf(address))));
    expect(tiles.valueAt(0, 2, 0, 599, 699)).toBeNull();
    await tiles.get({ ...edge, level: 1, x: 0, y: 0 }, 0);
    expect(tiles.valueAt(0, 2, 0, 599, 699)).toEqual({ value: 100, level: 1 });
    await tiles.get(edge, 0);
    expect(tiles.valueAt(0, 2, 0, 599, 699)).toEqual({ value: 100, level: 0 });
  });
});

describe('what is on its way', () => {
  it('is asked for once, however many want it, and given up when the last of them does', async () => {
    const { tiles, asked } = setUp((_, signal) => hanging(signal));
    const [one, other] = [new AbortController(), new AbortController()];
    const ends: unknown[] = [];
    const get = (c: number, signal: AbortSignal) => void tiles.get(edge, c, signal).catch((e: unknown) => ends.push([c, e]));
    get(0, one.signal);
    get(1, one.signal);
    await vi.advanceTimersByTimeAsync(5);
    get(1, other.signal);
    get(2, other.signal); // nobody has asked for this channel yet
    await vi.advanceTimersByTimeAsync(5);
    expect(asked.map(channelsOf)).toEqual([[0, 1], [2]]);
    one.abort();
    await vi.advanceTimersByTimeAsync(5);
    expect(ends).toEqual([[0, kAborted], [1, kAborted]]);
    get(1, other.signal);
    await vi.advanceTimersByTimeAsync(5);
    expect(asked).toHaveLength(2);
    other.abort();
    await vi.advanceTimersByTimeAsync(5);
    expect(ends).toHaveLength(5);
    get(1, new AbortController().signal);
    await vi.advanceTimersByTimeAsync(5);
    expect(asked).toHaveLength(3);
  });

  it('of the next plane is what is here of this one', async () => {
    const { tiles, asked } = setUp((address) => Promise.resolve(address.includes('/1/0/') ? body(300, 350, channelsOf(address)) : body(88, 188, channelsOf(address))));
    await Promise.all([tiles.get(edge, 0), tiles.get(edge, 1), tiles.get({ ...edge, level: 1, x: 0, y: 0 }, 0), tiles.get({ ...edge, z: 4 }, 0)]);
    asked.length = 0;
    tiles.ahead(0, 2, 3, [0], new AbortController().signal);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual(['img/v%2F1/a%20b/scan/1/0/0/3/0/0', 'img/v%2F1/a%20b/scan/0/0/0/3/1/1']);
    tiles.ahead(0, 2, 3, [0], new AbortController().signal);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(2);
  });

  it('of a small picture is there when a layer asks for it', async () => {
    const { tiles, asked } = setUp((address) => Promise.resolve(body(300, 350, channelsOf(address))));
    tiles.prime(0, 3, [0, 2], new AbortController().signal);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual(['img/v%2F1/a%20b/scan/1/0/0,2/3/0/0']);
    const raster = await levelsOf(tiles)[1]!.getRaster({ selection: { t: 0, z: 3, c: 2 } });
    expect([raster.width, raster.height, raster.data[0], asked.length]).toEqual([300, 350, 300, 1]);
  });
});

describe('cold tiles', () => {
  it('are asked for at once when the hub tells that they are here', async () => {
    const { tiles, asked, cold } = setUp((address, _, nth) => (nth < 3 ? Promise.reject(new ApiError('recalling', 503, 'EAGAIN', 5000)) : Promise.resolve(body(88, 188, channelsOf(address)))));
    const tile = tiles.get(edge, 1);
    await vi.advanceTimersByTimeAsync(10);
    tellArrival({ path: '/a b/scan', ...edge, x: 0 });
    tellArrival({ path: '/another', ...edge });
    await vi.advanceTimersByTimeAsync(10);
    expect(asked).toHaveLength(1);
    tellArrival({ path: '/a b/scan', ...edge });
    await vi.advanceTimersByTimeAsync(10);
    expect(asked).toHaveLength(2);
    tellAllArrivals(); // some were missed
    expect((await tile).data[0]).toBe(200);
    await vi.advanceTimersByTimeAsync(1);
    expect(cold.at(-1)).toEqual([0, 0]);
    tellArrival({ path: '/a b/scan', ...edge });
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toHaveLength(3);
  });


  it('stay pending, are asked for again after the estimate or a second, and are counted meanwhile', async () => {
    const { tiles, asked, cold } = setUp((address, _, nth) => (nth < 4 ? Promise.reject(new ApiError('recalling', 503, 'EAGAIN', nth === 3 ? 200 : 5000)) : Promise.resolve(body(88, 188, channelsOf(address)))));
    let done = false;
    const tile = tiles.get(edge, 1).then((t) => { done = true; return t; });
    await vi.advanceTimersByTimeAsync(999);
    expect([asked.length, done]).toEqual([1, false]);
    expect(cold.at(-1)![0]).toBe(1);
    await vi.advanceTimersByTimeAsync(1001);
    expect(asked).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(201);
    expect((await tile).data[0]).toBe(200);
    expect(cold.at(-1)).toEqual([0, 0]);
  });

  it('are forgotten at once when nobody wants them any more', async () => {
    const { tiles, asked, cold } = setUp(() => Promise.reject(new ApiError('recalling', 503, 'EAGAIN', 5000)));
    const abort = new AbortController();
    const tile = tiles.get(edge, 0, abort.signal).catch((e: unknown) => e);
    await vi.advanceTimersByTimeAsync(10);
    abort.abort();
    expect(await tile).toBe(kAborted);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(1);
    expect(cold.at(-1)).toEqual([0, 0]);
  });
});

describe('aborting', () => {
  it('stops the request when the last channel is not wanted any more, not before', async () => {
    let signal!: AbortSignal;
    const { tiles } = setUp((_, s) => hanging((signal = s)));
    const [a, b] = [new AbortController(), new AbortController()];
    const both = [tiles.get(edge, 0, a.signal), tiles.get(edge, 1, b.signal)].map((p) => p.catch((e: unknown) => e));
    await vi.advanceTimersByTimeAsync(0);
    a.abort();
    expect(signal.aborted).toBe(false);
    b.abort();
    expect(signal.aborted).toBe(true);
    expect(await Promise.all(both)).toEqual([kAborted, kAborted]);
  });

  it('before the request has left sends none', async () => {
    const { tiles, asked } = setUp();
    const abort = new AbortController();
    const tile = tiles.get(edge, 0, abort.signal).catch((e: unknown) => e);
    abort.abort();
    await vi.advanceTimersByTimeAsync(0);
    expect([await tile, asked.length]).toEqual([kAborted, 0]);
  });
});

describe('failures', () => {
  it('of the network are repeated, said, and taken back', async () => {
    const { tiles, errors } = setUp((address, _, nth) => (nth < 3 ? Promise.reject(new ApiError('The hub does not answer.', 0, '')) : Promise.resolve(body(88, 188, channelsOf(address)))));
    const tile = tiles.get(edge, 0);
    await vi.advanceTimersByTimeAsync(2000);
    expect((await tile).width).toBe(88);
    expect(errors).toEqual(['The hub does not answer.', 'The hub does not answer.', '']);
  });

  it('for want of a session last until somebody has signed in again', async () => {
    const { tiles, errors } = setUp((address, _, nth) => (nth < 2 ? Promise.reject(new ApiError('Your session has ended.', 401, '')) : Promise.resolve(body(88, 188, channelsOf(address)))));
    const tile = tiles.get(edge, 0);
    await vi.advanceTimersByTimeAsync(2000);
    expect((await tile).width).toBe(88);
    expect(errors).toEqual(['Your session has ended.', '']);
  });

  it('that stay are said once: a changed image, and pixels that cannot be decoded', async () => {
    const changed = setUp(() => Promise.reject(new ApiError('changed', 410, 'ESTALE')));
    await expect(changed.tiles.get(edge, 0)).rejects.toThrow('changed');
    expect([changed.stale(), changed.errors]).toEqual([1, []]);
    const broken = setUp(() => Promise.reject(new ApiError('chunk 3 is cut off', 422, 'EIO')));
    await expect(broken.tiles.get(edge, 0)).rejects.toThrow();
    expect(broken.errors).toEqual(['Chunk 3 is cut off.']);
  });

  it('a body of the wrong length is refused', async () => {
    const { tiles } = setUp(() => Promise.resolve(new Response(new ArrayBuffer(10))));
    await expect(tiles.get(edge, 0)).rejects.toThrow('10 bytes instead of');
  });
});

describe('PixelSource', () => {
  it('has the shape and type that Viv wants, and nothing outside the image', async () => {
    const { tiles } = setUp();
    const [first] = levelsOf(tiles);
    expect(first).toMatchObject({ shape: [1, 3, 5, 700, 600], dtype: 'Uint16', tileSize: 512 });
    await expect(first!.getTile({ x: 2, y: 0, selection: { t: 0, c: 0, z: 0 } })).rejects.toBe(kAborted);
  });

  it('puts a plane of several tiles together', async () => {
    const { tiles } = setUp((address) => {
      const [y, x] = address.split('/').slice(-2).map(Number) as [number, number];
      return Promise.resolve(body(x ? 88 : 512, y ? 188 : 512, [x + 2 * y]));
    });
    const plane = await levelsOf(tiles)[0]!.getRaster({ selection: { t: 0, c: 0, z: 0 } });
    const at = (x: number, y: number) => plane.data[y * 600 + x];
    expect([plane.width, plane.height, at(0, 0), at(599, 0), at(0, 699), at(511, 511), at(512, 512), at(599, 699)]).toEqual([600, 700, 100, 200, 300, 100, 400, 400]);
  });
});

it('samples: unaligned starts, and 64 bits as floats', () => {
  const bytes = new Uint8Array([9, 1, 0, 2, 0]).buffer;
  expect([...reader('uint16').samples(bytes, 1, 2)]).toEqual([1, 2]);
  expect([...reader('int64').samples(new BigInt64Array([-5n, 7n]).buffer, 8, 1)]).toEqual([7]);
  expect(() => reader('complex64')).toThrow('cannot be shown');
});
