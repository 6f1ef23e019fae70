// A line in the image: its length, and the values along it.
import type { Dataset } from '../api/types';
import { number, unitSign } from '../ui/format';
import type { Tiles } from './tiles';
import { shapeOf, type Line, type Projection } from './view';

const kMostSamples = 1024;
const kMostLookups = 200_000;

export interface Profile {
  channel: number;
  values: Float64Array; // NaN: not here yet, or outside the image
}

// In the unit of the voxels, else in pixels.
export function lengthOf(d: Dataset, { x1, y1, x2, y2 }: Line): { length: number; unit: string; pixels: number } {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const pixels = Math.hypot(dx, dy);
  const [sx, sy] = [d.voxel_size?.x, d.voxel_size?.y];
  if (!sx || !sy) return { length: pixels, unit: 'px', pixels };
  return { length: Math.hypot(dx * sx, dy * sy), unit: unitSign(d.voxel_unit) || 'units', pixels };
}

export function lengthText(d: Dataset, line: Line): string {
  const { length, unit, pixels } = lengthOf(d, line);
  const px = `${number(Number(pixels.toFixed(1)))} px`;
  return unit === 'px' ? px : `${number(length)} ${unit} (${px})`;
}

export function valueAt(tiles: Tiles, t: number, z: number, projection: Projection | null, channel: number, x: number, y: number): { value: number; level: number } | null {
  if (!projection) return tiles.valueAt(t, z, channel, x, y);
  let [best, sum, count, level] = [-Infinity, 0, 0, 0];
  for (let k = projection.first; k <= projection.last; k++) {
    const found = tiles.valueAt(t, k, channel, x, y);
    if (!found) continue;
    best = Math.max(best, found.value);
    sum += found.value;
    count++;
    level = Math.max(level, found.level);
  }
  if (!count) return null;
  return { value: projection.how === 'max' ? best : sum / count, level };
}

// Nearest pixels, one for each pixel of length, as far as they are here.
export function profiles(d: Dataset, tiles: Tiles, line: Line, t: number, z: number, projection: Projection | null, channels: number[]): Profile[] {
  const shape = shapeOf(d);
  const { pixels } = lengthOf(d, line);
  const planes = projection ? projection.last - projection.first + 1 : 1;
  const n = Math.max(2, Math.min(Math.ceil(pixels) + 1, kMostSamples, Math.floor(kMostLookups / planes / Math.max(1, channels.length))));
  return channels.map((channel) => {
    const values = new Float64Array(n).fill(NaN);
    for (let i = 0; i < n; i++) {
      const x = line.x1 + ((line.x2 - line.x1) * i) / (n - 1);
      const y = line.y1 + ((line.y2 - line.y1) * i) / (n - 1);
      if (x < 0 || y < 0 || x >= shape.x || y >= shape.y) continue;
      values[i] = valueAt(tiles, t, z, projection, channel, x, y)?.value ?? NaN;
    }
    return { channel, values };
  });
}

export function rangeOf(all: Profile[]): [low: number, high: number] | null {
  let [low, high] = [Infinity, -Infinity];
  for (const { values } of all)
    for (const v of values) {
      if (v < low) low = v;
      if (v > high) high = v;
    }
  return low <= high ? [low, high] : null;
}

// Gaps stay gaps.
export function profilePath(values: Float64Array, low: number, high: number, width: number, height: number): string {
  let path = '';
  let pen = 'M';
  values.forEach((v, i) => {
    if (Number.isNaN(v)) {
      pen = 'M';
      return;
    }
    path += `${pen}${((width * i) / (values.length - 1)).toFixed(1)} ${(height - 2 - ((height - 4) * (v - low)) / (high - low || 1)).toFixed(1)}`;
    pen = 'L';
  });
  return path;
}

export function profileTable(d: Dataset, line: Line, all: Profile[], names: string[]): string {
  const { length, unit } = lengthOf(d, line);
  const n = all[0]?.values.length ?? 0;
  const rows = Array.from({ length: n }, (_, i) => [((length * i) / (n - 1)).toFixed(4), ...all.map((p) => (Number.isNaN(p.values[i]!) ? '' : String(p.values[i])))].join('\t'));
  return [[`distance_${unit}`, ...all.map((p) => names[p.channel] ?? `channel ${p.channel + 1}`)].join('\t'), ...rows].join('\n');
}

export function parseLineText(text: string): Line | null {
  const parts = text.split(/[\s,;–]+/).filter(Boolean).map(Number);
  return parts.length === 4 && parts.every(Number.isFinite) ? { x1: parts[0]!, y1: parts[1]!, x2: parts[2]!, y2: parts[3]! } : null;
}
