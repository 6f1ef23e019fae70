// Slices across the planes: x-z and y-z, out of the coarsest level, of which a plane is one tile.
import type { Dataset } from '../api/types';
import { rgb, type Limits } from './contrast';
import { reader, type Samples } from './samples';
import type { Tile, Tiles } from './tiles';
import { shapeOf, type ChannelView } from './view';

const kBudget = 128 * 2 ** 20;
const kAtOnce = 4; // the picture itself must not wait for the slices

export interface Stack {
  level: number;
  stride: number; // every how many planes
  planes: number[]; // their z
  width: number;
  height: number;
}

// Null: no level is one tile, or there is only one plane.
export function stackOf(d: Dataset, channels: number, budget = kBudget): Stack | null {
  const levels = d.levels ?? [];
  const level = levels.length - 1;
  if (level < 0 || shapeOf(d).z < 2) return null;
  const { x, y, z } = shapeOf({ shape: levels[level]!.shape });
  if (x > d.tile || y > d.tile) return null;
  const stride = Math.max(1, Math.ceil((x * y * Math.max(1, channels) * reader(d.type).bytes * z) / budget));
  return { level, stride, planes: Array.from({ length: Math.ceil(z / stride) }, (_, i) => i * stride), width: x, height: y };
}

// Planes near z come first. Calls `arrived` after each; ends when all are here, or `signal` is aborted.
export async function loadStack(tiles: Tiles, stack: Stack, t: number, z: number, channels: number[], arrived: (plane: number, parts: Map<number, Tile>) => void, signal: AbortSignal): Promise<void> {
  const order = [...stack.planes.keys()].sort((a, b) => Math.abs(stack.planes[a]! - z) - Math.abs(stack.planes[b]! - z));
  const work = async () => {
    for (let i = order.shift(); i !== undefined && !signal.aborted; i = order.shift()) {
      const place = { level: stack.level, t, z: stack.planes[i]!, y: 0, x: 0 };
      try {
        const parts = await Promise.all(channels.map(async (c) => [c, await tiles.get(place, c, signal)] as const));
        arrived(i, new Map(parts));
      } catch {
        // No longer wanted, or said by Tiles.
      }
    }
  };
  await Promise.all(Array.from({ length: kAtOnce }, work));
}

export interface Look {
  channel: number;
  view: ChannelView;
  limits: Limits;
}

function line(data: Samples, stack: Stack, across: 'x' | 'y', at: number): (i: number) => number {
  return across === 'x' ? (i) => data[at * stack.width + i]! : (i) => data[i * stack.width + at]!;
}

// RGBA, a row for each plane from the first down: along x at a row of pixels, or along y at a column. Planes that are not
// here are transparent.
export function sliceOf(planes: (Map<number, Tile> | undefined)[], stack: Stack, across: 'x' | 'y', at: number, looks: Look[]): Uint8ClampedArray<ArrayBuffer> {
  const n = across === 'x' ? stack.width : stack.height;
  const top = (across === 'x' ? stack.height : stack.width) - 1;
  const place = Math.min(top, Math.max(0, Math.floor(at)));
  const out = new Uint8ClampedArray(n * stack.planes.length * 4);
  const sums = new Float32Array(n * 3);
  planes.forEach((parts, k) => {
    if (!parts) return;
    sums.fill(0);
    for (const { channel, view, limits } of looks) {
      const tile = parts.get(channel);
      if (!tile) continue;
      const value = line(tile.data, stack, across, place);
      const colour = rgb(view.colour);
      const width = limits[1] - limits[0] || 1;
      for (let i = 0; i < n; i++) {
        const v = Math.min(1, Math.max(0, (value(i) - limits[0]) / width)) ** view.gamma;
        for (let j = 0; j < 3; j++) sums[3 * i + j]! += v * colour[j]!;
      }
    }
    for (let i = 0; i < n; i++) out.set([sums[3 * i]!, sums[3 * i + 1]!, sums[3 * i + 2]!, 255], 4 * (k * n + i));
  });
  return out;
}

// How much wider than high a slice is in the sample.
export function aspectOf(d: Dataset, across: 'x' | 'y'): number {
  const s = shapeOf(d);
  const size = d.voxel_size;
  const wide = s[across] * (size?.[across] || 1);
  const high = s.z * (size?.z || size?.[across] || 1);
  return wide / high;
}
