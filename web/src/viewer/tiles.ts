// Tiles of one image, as /img serves them. All channels that a tile needs are asked for with one request;
// what is in the archive is asked for again until it is on the SSD, and no connection waits for it.
import { tileName } from '../api/arrivals';
import { send } from '../api/client';
import { encodePath } from '../api/paths';
import type { Dataset } from '../api/types';
import { kAborted, untilHere, Waiting } from './patience';
import { reader, type Samples } from './samples';
import { shapeOf } from './view';

export { kAborted };
const kCacheBytes = 384 * 2 ** 20;
const kMostAhead = 16;

export interface Place {
  level: number;
  t: number;
  z: number;
  y: number;
  x: number;
}

export interface Tile {
  data: Samples;
  width: number;
  height: number;
}

export interface Events {
  onCold(tiles: number, etaMs: number, reason: string): void; // whenever it changes; 0 tiles: nothing is waited for
  onStale(): void;
  onError(text: string): void; // "": it works again
}

interface Waiter {
  channel: number;
  resolve(tile: Tile): void;
  reject(reason: unknown): void;
  gone: boolean;
}

interface Batch {
  waiters: Waiter[];
  channels: number[]; // that were asked for
  abort: AbortController;
}

export class Tiles {
  private cache = new Map<string, Tile>();
  private cacheBytes = 0;
  private forming = new Map<string, Batch>(); // of this moment: sent together
  private readonly flying = new Map<string, Set<Batch>>(); // asked for, not here yet
  private readonly cold: Waiting<Batch>;

  constructor(
    readonly dataset: Dataset,
    private readonly events: Events,
    private readonly fetcher: (address: string, signal: AbortSignal) => Promise<Response> = (a, signal) => send(a, { signal }),
    private readonly most = kCacheBytes, // 0: nothing is kept
  ) {
    this.cold = new Waiting(events.onCold);
  }

  size(place: Place): { width: number; height: number } {
    const shape = shapeOf({ shape: this.dataset.levels?.[place.level]?.shape ?? this.dataset.shape });
    const { tile } = this.dataset;
    return { width: Math.min(tile, shape.x - place.x * tile), height: Math.min(tile, shape.y - place.y * tile) };
  }

  address(place: Place, channels: number[]): string {
    const d = this.dataset;
    return `img/${encodeURIComponent(d.version)}${encodePath(d.path)}/${place.level}/${place.t}/${channels.join(',')}/${place.z}/${place.y}/${place.x}`;
  }

  get(place: Place, channel: number, signal?: AbortSignal): Promise<Tile> {
    const hit = this.cached(place, channel);
    if (hit) return Promise.resolve(hit);
    if (signal?.aborted) return Promise.reject(kAborted);
    const key = keyOf(place);
    for (const one of this.flying.get(key) ?? [])
      if (one.channels.includes(channel) && !one.abort.signal.aborted) return this.join(one, channel, signal);
    let batch = this.forming.get(key);
    if (!batch) {
      batch = { waiters: [], channels: [], abort: new AbortController() };
      this.forming.set(key, batch);
      queueMicrotask(() => this.launch(key, place));
    }
    return this.join(batch, channel, signal);
  }

  // Asks for the whole plane at the coarsest level, before a layer wants it.
  prime(t: number, z: number, channels: number[], signal: AbortSignal): void {
    const level = Math.max(0, (this.dataset.levels?.length ?? 1) - 1);
    const shape = shapeOf({ shape: this.dataset.levels?.[level]?.shape ?? this.dataset.shape });
    const { tile } = this.dataset;
    if (shape.x > 2 * tile || shape.y > 2 * tile) return; // no level that is small
    for (let y = 0; y * tile < shape.y; y++)
      for (let x = 0; x * tile < shape.x; x++)
        for (const c of channels) this.get({ level, t, z, y, x }, c, signal).catch(() => {}); // who needs it hears why
  }

  // What is here of a plane, asked for of another one that somebody may step to. The small level comes first.
  ahead(t: number, from: number, to: number, channels: number[], signal: AbortSignal): void {
    const places = new Map<string, Place>();
    for (const key of this.cache.keys()) {
      const [level, pt, z, y, x, c] = key.split('/').map(Number);
      if (pt !== t || z !== from || !channels.includes(c!)) continue;
      const place = { level: level!, t, z: to, y: y!, x: x! };
      const name = keyOf(place);
      places.delete(name); // those that were wanted last are at the end
      places.set(name, place);
    }
    const last = [...places.values()].slice(-kMostAhead).sort((a, b) => b.level - a.level);
    for (const place of last) for (const c of channels) this.get(place, c, signal).catch(() => {});
  }

  cached(place: Place, channel: number): Tile | undefined {
    const key = `${keyOf(place)}/${channel}`;
    const tile = this.cache.get(key);
    if (tile) {
      this.cache.delete(key); // to the young end
      this.cache.set(key, tile);
    }
    return tile;
  }

  // The value of a pixel of level 0, out of the sharpest tile that is here.
  valueAt(t: number, z: number, channel: number, x: number, y: number): { value: number; level: number } | null {
    const levels = this.dataset.levels?.length ?? 1;
    for (let level = 0; level < levels; level++) {
      const [px, py] = [Math.floor(x / 2 ** level), Math.floor(y / 2 ** level)];
      const size = this.dataset.tile;
      const place = { level, t, z, x: Math.floor(px / size), y: Math.floor(py / size) };
      const tile = this.cache.get(`${keyOf(place)}/${channel}`);
      const value = tile?.data[(py % size) * tile.width + (px % size)];
      if (value !== undefined) return { value, level };
    }
    return null;
  }

  private join(batch: Batch, channel: number, signal?: AbortSignal): Promise<Tile> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { channel, resolve, reject, gone: false };
      batch.waiters.push(waiter);
      signal?.addEventListener('abort', () => {
        waiter.gone = true;
        reject(kAborted);
        // The request goes on while anyone still wants a part of it.
        if (batch.waiters.every((w) => w.gone)) batch.abort.abort();
      }, { once: true });
    });
  }

  private launch(key: string, place: Place): void {
    const batch = this.forming.get(key);
    this.forming.delete(key);
    if (!batch || batch.abort.signal.aborted) return;
    batch.channels = [...new Set(batch.waiters.filter((w) => !w.gone).map((w) => w.channel))].sort((a, b) => a - b);
    const flying = this.flying.get(key) ?? new Set();
    this.flying.set(key, flying.add(batch));
    this.load(batch, place, batch.channels).then(
      (tiles) => batch.waiters.forEach((w) => w.resolve(tiles.get(w.channel)!)),
      (e) => batch.waiters.forEach((w) => w.reject(batch.abort.signal.aborted ? kAborted : e)),
    ).finally(() => {
      this.cold.end(batch);
      if (flying.delete(batch) && !flying.size && this.flying.get(key) === flying) this.flying.delete(key);
    });
  }

  private load(batch: Batch, place: Place, channels: number[]): Promise<Map<number, Tile>> {
    const { signal } = batch.abort;
    const ask = async () => this.unpack(place, channels, await (await this.fetcher(this.address(place, channels), signal)).arrayBuffer());
    const hear = { cold: (eta: number, reason: string) => this.cold.set(batch, eta, reason), error: this.events.onError, stale: this.events.onStale };
    return untilHere(ask, signal, hear, tileName({ path: this.dataset.path, ...place }));
  }

  private unpack(place: Place, channels: number[], bytes: ArrayBuffer): Map<number, Tile> {
    const { width, height } = this.size(place);
    const read = reader(this.dataset.type);
    const each = width * height * read.bytes;
    if (bytes.byteLength !== each * channels.length) throw new Error(`a tile has ${bytes.byteLength} bytes instead of ${each * channels.length}: reload the page`);
    const out = new Map<number, Tile>();
    channels.forEach((c, i) => {
      const tile = { data: read.samples(bytes, i * each, width * height), width, height };
      out.set(c, tile);
      this.keep(`${keyOf(place)}/${c}`, tile);
    });
    return out;
  }

  private keep(key: string, tile: Tile): void {
    if (this.cache.has(key)) return;
    this.cache.set(key, tile);
    this.cacheBytes += tile.data.byteLength;
    for (const [old, t] of this.cache) {
      if (this.cacheBytes <= this.most) break;
      this.cache.delete(old);
      this.cacheBytes -= t.data.byteLength;
    }
  }
}

const keyOf = (p: Place) => `${p.level}/${p.t}/${p.z}/${p.y}/${p.x}`;
