// Labels in a volume: the numbers of all their blocks as one texture, on the voxels that are drawn or on a coarser grid.
import type { Device, Texture } from '@luma.gl/core';
import type { Box } from '../viewer/parts';
import { kAborted, type Tile, type Tiles } from '../viewer/tiles';
import { shapeOf } from '../viewer/view';
import type { Plan } from './plan';

const kMostOfLabels = 256 * 2 ** 20;
const kAtOnce = 4; // planes, of which each is in the page's memory until it is whole

export interface Grid {
  level: number; // of the image
  planes: number[]; // their z
  width: number;
  height: number;
  size: [x: number, y: number, z: number]; // how many of its voxels the drawn volume is wide, high and deep
}

// Numbers have 32 bits, so they may need a coarser grid than what is below them.
export function gridOf(plan: Plan, most = kMostOfLabels): Grid {
  let halved = 0;
  const side = (n: number) => Math.ceil(n / 2 ** halved);
  while (4 * side(plan.width) * side(plan.height) * plan.planes.length > most && side(plan.width) > 1) halved++;
  return { level: plan.level + halved, planes: plan.planes, width: side(plan.width), height: side(plan.height), size: [plan.width / 2 ** halved, plan.height / 2 ** halved, plan.planes.length] };
}

export interface LabelPart {
  tiles: Tiles;
  box: Box | null; // null: of the whole image
}

// Where the labels of a part begin, and how large one of them is, in pixels of the image's level 0.
interface Placed {
  x: number;
  y: number;
  voxel: number;
}

// The objects of other blocks than the first one have numbers of their own: this bit tells them from the first one's.
export const kOtherBlock = 0x80000000;

// Writes a tile, whose upper left label is at `left`, `top` of its level, into a plane of the grid: the label in the middle
// of each voxel, of two the first. What another block has said stays.
export function put(into: Uint32Array, grid: Grid, tile: Tile, left: number, top: number, at: Placed, mark: number): void {
  const one = 2 ** grid.level;
  const first = (begin: number, n: number) => Math.max(0, Math.floor((begin + n * at.voxel) / one - 0.5) + 1);
  const label = (i: number, begin: number) => Math.ceil(((i + 0.5) * one - begin) / at.voxel) - 1;
  const right = Math.min(grid.width, first(at.x, left + tile.width));
  const bottom = Math.min(grid.height, first(at.y, top + tile.height));
  for (let y = first(at.y, top); y < bottom; y++) {
    const row = (label(y, at.y) - top) * tile.width - left;
    for (let x = first(at.x, left), to = y * grid.width; x < right; x++) {
      if (into[to + x]) continue;
      const id = tile.data[row + label(x, at.x)]!;
      if (id) into[to + x] = id | mark;
    }
  }
}

// Calls `arrived` with each plane of the grid, and `progress` with the part that is here. Rejects with kAborted, or with
// what failed.
export async function loadLabels(parts: LabelPart[], grid: Grid, t: number, arrived: (plane: number, ids: Uint32Array) => void, progress: (part: number) => void, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const end = () => stop.abort();
  signal.addEventListener('abort', end, { once: true });

  const addPart = async (into: Uint32Array, { tiles, box }: LabelPart, z: number, mark: number) => {
    if (box && (z < box.z[0] || z >= box.z[1])) return;
    const { dataset: d } = tiles;
    const all = d.levels?.length ? d.levels : [{ shape: d.shape }];
    const own = box?.level ?? 0;
    const level = Math.min(all.length - 1, Math.max(0, grid.level - own));
    const shape = shapeOf({ shape: all[level]!.shape });
    const at = { x: (box?.x[0] ?? 0) * 2 ** own, y: (box?.y[0] ?? 0) * 2 ** own, voxel: 2 ** (own + level) };
    const place = { level, t: Math.min(t, shape.t - 1), z: Math.min(z - (box?.z[0] ?? 0), shape.z - 1) };
    const jobs: Promise<void>[] = [];
    for (let y = 0; y * d.tile < shape.y; y++)
      for (let x = 0; x * d.tile < shape.x; x++)
        jobs.push(tiles.get({ ...place, y, x }, 0, stop.signal).then((tile) => put(into, grid, tile, x * d.tile, y * d.tile, at, mark)));
    await Promise.all(jobs);
  };

  let next = 0;
  let here = 0;
  const work = async () => {
    while (next < grid.planes.length && !stop.signal.aborted) {
      const plane = next++;
      const ids = new Uint32Array(grid.width * grid.height);
      for (const [i, part] of parts.entries()) await addPart(ids, part, grid.planes[plane]!, i ? kOtherBlock : 0);
      if (stop.signal.aborted) return;
      arrived(plane, ids);
      progress(++here / grid.planes.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: kAtOnce }, work));
  } finally {
    stop.abort(); // one failure ends all
    signal.removeEventListener('abort', end);
  }
  if (signal.aborted) throw kAborted;
}

// The numbers as the shader reads them: the first plane is in front, the first row above, and the four bytes of a number
// are four colours. Samplers of whole numbers next to those of the volume are refused when a program is validated.
export class LabelTexture {
  readonly texture: Texture;

  constructor(
    private readonly device: Device,
    readonly grid: Grid,
  ) {
    this.texture = device.createTexture({
      dimension: '3d', format: 'rgba8unorm', width: grid.width, height: grid.height, depth: grid.planes.length,
      sampler: { minFilter: 'nearest', magFilter: 'nearest' },
    });
  }

  put(plane: number, ids: Uint32Array): void {
    if (this.texture.destroyed) return;
    const { gl } = this.device as Device & { gl: WebGL2RenderingContext };
    gl.bindTexture(gl.TEXTURE_3D, (this.texture as Texture & { handle: WebGLTexture }).handle);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
    gl.texSubImage3D(gl.TEXTURE_3D, 0, 0, 0, plane, this.grid.width, this.grid.height, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(ids.buffer));
    gl.bindTexture(gl.TEXTURE_3D, null);
  }

  destroy(): void {
    this.texture.destroy();
  }
}
