// Tiles of one image, as /img serves them. All channels that a tile needs are asked for with one request;
// what is in the archive is asked for again until it is on the SSD, and no connection waits for it.
import { send } from '../api/client';
import { encodePath } from '../api/paths';
import type { Dataset } from '../api/types';
import { kAborted, untilHere, Waiting } from './patience';
import { reader, type Samples } from './samples';
import { shapeOf } from './view';

export { kAborted };
const kCacheBytes = 384 * 2 ** 20;

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
  abort: AbortController;
}

export class Tiles {
  private cache = new Map<string, Tile>();
  private cacheBytes = 0;
  private forming = new Map<string, Batch>(); // of this moment: sent together
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
    let batch = this.forming.get(key);
    if (!batch) {
      batch = { waiters: [], abort: new AbortController() };
      this.forming.set(key, batch);
      queueMicrotask(() => this.launch(key, place));
    }
    return this.join(batch, channel, signal);
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
    const channels = [...new Set(batch.waiters.filter((w) => !w.gone).map((w) => w.channel))].sort((a, b) => a - b);
    this.load(batch, place, channels).then(
      (tiles) => batch.waiters.forEach((w) => w.resolve(tiles.get(w.channel)!)),
      (e) => batch.waiters.forEach((w) => w.reject(batch.abort.signal.aborted ? kAborted : e)),
    ).finally(() => this.cold.end(batch));
  }

  private load(batch: Batch, place: Place, channels: number[]): Promise<Map<number, Tile>> {
    const { signal } = batch.abort;
    const ask = async () => this.unpack(place, channels, await (await this.fetcher(this.address(place, channels), signal)).arrayBuffer());
    return untilHere(ask, signal, { cold: (eta, reason) => this.cold.set(batch, eta, reason), error: this.events.onError, stale: this.events.onStale });
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
