// What a 3-D view loads: the finest level whose voxels fit into the graphics memory that one page should take.
import type { Dataset, Prefetch } from '../api/types';
import { bytes as bytesText, roughly } from '../ui/format';
import { scaleBar, type Bar } from '../viewer/scale';
import { shapeOf } from '../viewer/view';

export const kMostSide = 2048;
export const kMostOfChannel = 256 * 2 ** 20;
export const kMostOfAll = 768 * 2 ** 20;

// How voxels lie in a texture: `scale` times the sample. Half floats have 11 bits of precision at every
// brightness, which is more than a screen shows.
export interface Voxels {
  format: 'r8unorm' | 'r16float' | 'r32float';
  bytes: 1 | 2 | 4;
  scale: number;
}

export function voxelsOf(type: string): Voxels {
  if (type === 'bool' || type === 'uint8') return { format: 'r8unorm', bytes: 1, scale: 1 / 255 };
  if (type === 'int8' || type === 'int16') return { format: 'r16float', bytes: 2, scale: 1 };
  if (type === 'uint16') return { format: 'r16float', bytes: 2, scale: 0.5 }; // a half float ends at 65504
  return { format: 'r32float', bytes: 4, scale: 1 };
}

export interface Plan {
  level: number;
  stride: number; // every how many planes
  planes: number[]; // their z
  width: number;
  height: number;
  bytes: number; // of all channels, as they lie in textures
  size: [x: number, y: number, z: number]; // of a voxel, the smallest side is 1
}

// Null: no level is small enough. `side` is the longest side that the graphics card takes.
export function planVolume(d: Dataset, channels: number, side = kMostSide, ofChannel = kMostOfChannel, ofAll = kMostOfAll): Plan | null {
  const levels = d.levels?.length ? d.levels : [{ shape: d.shape, stored: true }];
  const longest = Math.min(side, kMostSide);
  const most = Math.min(ofChannel, ofAll / Math.max(1, channels));
  const depth = shapeOf(d).z;
  const least = Math.ceil(depth / longest); // planes are not fewer in coarser levels
  const planesOf = (stride: number) => Math.ceil(depth / stride);
  for (let level = 0; level < levels.length; level++) {
    const { x, y } = shapeOf({ shape: levels[level]!.shape });
    const isLast = level === levels.length - 1;
    if (x > longest || y > longest) continue;
    const plane = x * y * voxelsOf(d.type).bytes;
    if (planesOf(least) * plane > most && !isLast) continue;
    const stride = Math.max(least, Math.ceil(depth / Math.max(1, Math.floor(most / plane))));
    const planes = Array.from({ length: planesOf(stride) }, (_, i) => i * stride);
    return { level, stride, planes, width: x, height: y, bytes: planes.length * plane * Math.max(1, channels), size: sizeOf(d, level, stride) };
  }
  return null;
}

// Where a size is not known, a voxel is as high as it is wide.
function sizeOf(d: Dataset, level: number, stride: number): Plan['size'] {
  const known = d.voxel_size;
  const x = (known?.x || 1) * 2 ** level;
  const y = (known?.y || known?.x || 1) * 2 ** level;
  const z = (known?.z || known?.x || 1) * stride;
  const least = Math.min(x, y, z);
  return [x / least, y / least, z / least];
}

// In voxels whose smallest side is 1.
export function extentOf(plan: Plan): { sides: [number, number, number]; diagonal: number } {
  const sides: [number, number, number] = [plan.width * plan.size[0], plan.height * plan.size[1], plan.planes.length * plan.size[2]];
  return { sides, diagonal: Math.hypot(...sides) };
}

const kMargin = 0.1; // in log2: what is near is larger

// The zoom at which all of the volume is seen, whichever way it is turned: log2 of pixels for each side of a voxel.
export function fitZoom(plan: Plan, width: number, height: number): number {
  return Math.log2(Math.max(1, Math.min(width, height)) / extentOf(plan).diagonal) - kMargin;
}

// True in the middle of the view: what is nearer is larger. `zoom` beyond that of fitZoom().
export function volumeBar(d: Dataset, plan: Plan, zoom: number, width: number, height: number): Bar {
  const size = d.voxel_size?.x;
  const side = ((size || 1) * 2 ** plan.level) / plan.size[0];
  return scaleBar(side / 2 ** (fitZoom(plan, width, height) + zoom), size ? d.voxel_unit || 'units' : 'px');
}

export function planText(d: Dataset, plan: Plan): string {
  const parts = [`${plan.width} × ${plan.height} × ${plan.planes.length} voxels`];
  if (plan.level > 0) parts.push(`1/${2 ** plan.level} of the resolution`);
  if (plan.stride > 1) parts.push(`one plane in ${plan.stride}`);
  if (!d.voxel_size?.z) parts.push('the distance of planes is not known: voxels are drawn as cubes');
  return parts.join(', ');
}

// How many bytes of the archive a volume needs, as far as the page can know: `levels` are the folders of an OME-Zarr
// with their sums. The level that is read is the last stored one that is not coarser.
export function missingBytes(d: Dataset, plan: Plan, channels: number, levels: { size: number; resident: number }[] | null): number {
  const stored = (d.levels ?? []).map((l, i) => ({ index: i, voxels: Object.values(shapeOf({ shape: l.shape })).reduce((a, b) => a * b, 1), stored: l.stored })).filter((l) => l.stored);
  const read = stored.filter((l) => l.index <= plan.level).at(-1) ?? stored[0];
  const { t, c } = shapeOf(d);
  const part = Math.min(1, channels / c) / t;
  const folder = read && levels?.[read.index];
  if (folder) return Math.ceil(Math.max(0, folder.size - folder.resident) * part);
  const all = stored.reduce((n, l) => n + l.voxels, 0);
  const missing = Math.max(0, (d.size ?? 0) - (d.resident ?? 0));
  return Math.ceil(missing * (read && all ? read.voxels / all : 1) * part);
}

// Bytes per second of what comes from the archive now, or came last; 0: not known.
export function archiveRate(prefetches: Prefetch[]): number {
  const running = prefetches.filter((p) => p.state === 'running').reduce((n, p) => n + p.rate_bytes_per_s, 0);
  if (running > 0) return running;
  const ended = prefetches.filter((p) => p.ended && p.copied_bytes > 2 ** 20).at(-1);
  if (!ended) return 0;
  return ended.copied_bytes / Math.max(0.1, (Date.parse(ended.ended!) - Date.parse(ended.created)) / 1000);
}

export function askText(missing: number, rate: number): string {
  const time = rate > 0 ? `, which takes about ${roughly(missing / rate)}` : '; how long that takes is not known yet';
  return `About ${bytesText(missing)} of this volume are in the archive${time}.`;
}
