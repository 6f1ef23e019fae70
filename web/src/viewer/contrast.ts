// Contrast: what becomes black, what becomes white, and the curve between them.
import type { Histogram } from '../api/types';

export type Limits = [low: number, high: number];

export function typeRange(type: string): Limits {
  const bits = Number(/\d+$/.exec(type)?.[0] ?? 16);
  if (type.startsWith('float')) return [0, 1];
  return type.startsWith('int') ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

// From where a hundredth is darker to where a thousandth is brighter.
export function autoLimits(h: Histogram | undefined, type: string): Limits {
  if (!h) return typeRange(type);
  if (h.p999 > h.p01) return [h.p01, h.p999];
  if (h.high > h.low) return [h.low, h.high];
  return [h.low, h.low + 1];
}

// What the sliders can reach: all values that occur, and what was chosen.
export function sliderRange(h: Histogram | undefined, type: string, chosen: Limits): Limits {
  const [low, high] = h && h.high > h.low ? [h.low, h.high] : typeRange(type);
  return [Math.min(low, chosen[0]), Math.max(high, chosen[1])];
}

export function stepOf(type: string, [low, high]: Limits): number {
  return type.startsWith('float') ? (high - low) / 1000 || 0.001 : 1;
}

// One end moves; the other yields only as far as it must.
export function moveLimit(limits: Limits, end: 0 | 1, value: number, step: number): Limits {
  return end === 0 ? [value, Math.max(limits[1], value + step)] : [Math.min(limits[0], value - step), value];
}

// The heights of the histogram's bars, 0 to 1. The scale is logarithmic: background is most of an image.
export function barHeights(bins: number[]): number[] {
  const top = Math.log1p(Math.max(0, ...bins));
  return bins.map((n) => (top > 0 ? Math.log1p(n) / top : 0));
}

export function histogramPath(bins: number[], width: number, height: number): string {
  const heights = barHeights(bins);
  const step = width / Math.max(1, bins.length);
  const points = heights.map((h, i) => `L${(i * step).toFixed(1)} ${(height * (1 - h)).toFixed(1)}H${((i + 1) * step).toFixed(1)}`);
  return `M0 ${height}${points.join('')}V${height}Z`;
}

export function rgb(colour: string): [number, number, number] {
  const n = parseInt(colour, 16);
  return [(n >> 16) & 255, (n >> 8) & 255, n & 255];
}
