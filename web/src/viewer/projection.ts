// Several planes as one image, computed here from their tiles: the maximum or the mean of each voxel.
import type { Dataset } from '../api/types';
import { reader, type Samples } from './samples';
import { Level, type Selection } from './source';
import { kAborted, type Tile, type Tiles } from './tiles';
import { shapeOf, type Camera, type Projection } from './view';

// What the tiles of one view may take. Beyond it a coarser level is projected, and at last not every plane.
export const kBudget = 256 * 2 ** 20;

export interface Extent {
  finest: number; // the level
  stride: number; // every how many planes
}

export function planesOf({ first, last }: Projection, stride: number): number[] {
  return Array.from({ length: Math.floor((last - first) / stride) + 1 }, (_, i) => first + i * stride);
}

// How sharp a projection may be. `camera` decides what of the image is loaded.
export function extentOf(d: Dataset, p: Projection, channels: number, camera: Camera, width: number, height: number, budget = kBudget): Extent {
  const levels = d.levels ?? [{ shape: d.shape, stored: true }];
  const planes = p.last - p.first + 1;
  const each = Math.max(1, channels) * reader(d.type).bytes;
  const wanted = Math.min(levels.length - 1, Math.max(0, Math.floor(-camera.zoom)));
  // Tiles are as large as on the screen, or up to twice; those at the border are loaded whole.
  const inSight = (2 * width + 2 * d.tile) * (2 * height + 2 * d.tile);
  const cost = (level: number) => {
    const s = shapeOf({ shape: levels[level]!.shape });
    return Math.min(s.x * s.y, inSight) * each;
  };
  for (let k = 0; k < levels.length; k++) if (cost(Math.max(k, wanted)) * planes <= budget) return { finest: k, stride: 1 };
  const last = levels.length - 1;
  return { finest: last, stride: Math.ceil((cost(last) * planes) / budget) };
}

export function combine(how: Projection['how'], tiles: Tile[]): Tile {
  const first = tiles[0]!;
  if (tiles.length === 1) return first;
  const n = first.data.length;
  if (how === 'max') {
    const out = first.data.slice();
    for (let k = 1; k < tiles.length; k++) {
      const data = tiles[k]!.data;
      for (let i = 0; i < n; i++) if (data[i]! > out[i]!) out[i] = data[i]!;
    }
    return { ...first, data: out };
  }
  const sums = new Float64Array(n);
  for (const { data } of tiles) for (let i = 0; i < n; i++) sums[i]! += data[i]!;
  const out = new (first.data.constructor as new (n: number) => Samples)(n);
  const half = out instanceof Float32Array ? 0 : 0.5;
  for (let i = 0; i < n; i++) out[i] = half ? Math.floor(sums[i]! / tiles.length + half) : sums[i]! / tiles.length;
  return { ...first, data: out };
}

export class ProjectedLevel extends Level {
  constructor(
    tiles: Tiles,
    level: number,
    private readonly projection: Projection,
    private readonly stride: number,
  ) {
    super(tiles, level);
  }

  // All planes are asked for at once, so that all channels of each travel together.
  protected override tileOf(x: number, y: number, selection: Selection, signal?: AbortSignal): Promise<Tile> {
    const jobs = planesOf(this.projection, this.stride).map((z) => super.tileOf(x, y, { ...selection, z }, signal));
    return Promise.all(jobs).then((parts) => (signal?.aborted ? Promise.reject(kAborted) : combine(this.projection.how, parts)));
  }
}

export function projectionText({ how, first, last }: Projection, { finest, stride }: Extent): string {
  const parts = [`${how === 'max' ? 'maximum' : 'mean'} of ${last - first + 1} planes`];
  if (finest > 0) parts.push(`at 1/${2 ** finest} of the resolution`);
  if (stride > 1) parts.push(`one plane in ${stride}`);
  return parts.join(', ');
}
