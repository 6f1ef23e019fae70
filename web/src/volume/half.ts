// Samples as half floats, for textures of 16 bits.
import type { Samples } from '../viewer/samples';
import type { Voxels } from './plan';

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

// The nearest half float; beyond its range the largest one.
export function halfOf(value: number): number {
  float[0] = value;
  const n = bits[0]!;
  const sign = (n >>> 16) & 0x8000;
  const exponent = ((n >>> 23) & 0xff) - 112;
  const fraction = n & 0x7fffff;
  if (exponent >= 31) return sign | 0x7bff;
  if (exponent <= 0) {
    if (exponent < -10) return sign;
    const shift = 14 - exponent;
    const all = fraction | 0x800000;
    return sign | ((all + (1 << (shift - 1))) >>> shift);
  }
  const rounded = (exponent << 10) + ((fraction + 0x1000) >>> 13); // a carry goes into the exponent
  return sign | Math.min(0x7bff, rounded);
}

const tables = new Map<string, Uint16Array>();

// For each sample of 16 bits (as its bits) its half float.
function table(signed: boolean, scale: number): Uint16Array {
  const key = `${signed} ${scale}`;
  let found = tables.get(key);
  if (!found) {
    found = Uint16Array.from({ length: 65536 }, (_, i) => halfOf((signed && i > 32767 ? i - 65536 : i) * scale));
    tables.set(key, found);
  }
  return found;
}

// Rows from the last to the first: in a texture y goes up.
export function encode(samples: Samples, width: number, height: number, { format, scale }: Voxels): Uint8Array | Uint16Array | Float32Array {
  const n = width * height;
  if (format === 'r8unorm') {
    const out = new Uint8Array(n);
    for (let y = 0; y < height; y++) out.set(samples.subarray(y * width, (y + 1) * width) as Uint8Array, (height - 1 - y) * width);
    return out;
  }
  if (format === 'r32float') {
    const out = new Float32Array(n);
    for (let y = 0; y < height; y++) out.set(samples.subarray(y * width, (y + 1) * width), (height - 1 - y) * width);
    return out;
  }
  const halfs = table(samples instanceof Int16Array || samples instanceof Int8Array, scale);
  const out = new Uint16Array(n);
  for (let y = 0; y < height; y++)
    for (let x = 0, from = y * width, to = (height - 1 - y) * width; x < width; x++) out[to + x] = halfs[samples[from + x]! & 0xffff]!;
  return out;
}
