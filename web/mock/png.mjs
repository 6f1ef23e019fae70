// A PNG writer for thumbnails: 8-bit RGB, no filter.
import zlib from 'node:zlib';
import { valueAt } from './images.mjs';

const table = Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
function crc(bytes) {
  let c = 0xffffffff;
  for (const b of bytes) c = table[(c ^ b) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc(body), body.length + 4);
  return out;
}

// Rows of RGB, each with a filter byte before it.
function encode(rows, w, h) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(w, 0);
  head.writeUInt32BE(h, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', zlib.deflateSync(rows, { level: 1 })), chunk('IEND', Buffer.alloc(0))]);
}

// A tile as a picture: `looks` has a colour, limits and a gamma for each channel of `samples`, which follow each other.
export function picture(samples, w, h, looks) {
  const rows = Buffer.alloc(h * (1 + 3 * w));
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const at = y * (1 + 3 * w) + 1 + 3 * x;
      for (let k = 0; k < 3; k++) {
        let sum = 0;
        looks.forEach(({ colour, min, max, gamma }, c) => { sum += colour[k] * Math.min(1, Math.max(0, (samples[(c * h + y) * w + x] - min) / (max - min))) ** gamma; });
        rows[at + k] = Math.min(255, Math.round(sum));
      }
    }
  return encode(rows, w, h);
}

const done = new Map();

export function thumbnail(image) {
  if (done.has(image.path)) return done.get(image.path);
  const { x: width, y: height } = image.levels.at(-1).shape;
  const scale = Math.max(width, height) / 128;
  const [w, h] = [Math.max(1, Math.round(width / scale)), Math.max(1, Math.round(height / scale))];
  const step = 2 ** (image.levels.length - 1) * scale;
  const rows = Buffer.alloc(h * (1 + 3 * w));
  const z = image.shape.z >> 1;
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const at = y * (1 + 3 * w) + 1 + 3 * x;
      const a = Math.min(255, (valueAt(image, 0, 0, z, x * step, y * step) - 100) / 8);
      const b = Math.min(255, (valueAt(image, 0, 1, z, x * step, y * step) - 100) / 6);
      rows[at] = b;
      rows[at + 1] = a;
      rows[at + 2] = b;
    }
  const png = encode(rows, w, h);
  done.set(image.path, png);
  return png;
}
