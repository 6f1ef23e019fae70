// The pixels of the mock: nuclei on a jittered grid in channel 0, fibres in channel 1, and the nuclei's
// labels. Every value is a function of its place, so tiles of any level are computed when asked for.
const kTile = 512;
const kCell = 96; // pixels of level 0 from one nucleus to the next

const hash = (a, b, c) => {
  let h = (a * 374761393 + b * 668265263 + c * 2147483647) | 0;
  h = Math.imul(h ^ (h >>> 13), 1274126177);
  h ^= h >>> 16;
  return (h >>> 0) / 4294967296;
};

const nuclei = new Map();
function nucleus(i, j) {
  const key = i * 100000 + j;
  let n = nuclei.get(key);
  if (!n) {
    n = {
      x: (i + 0.2 + 0.6 * hash(i, j, 1)) * kCell,
      y: (j + 0.2 + 0.6 * hash(i, j, 2)) * kCell,
      z: hash(i, j, 3),
      r: kCell * (0.24 + 0.16 * hash(i, j, 4)),
      bright: 700 + 1900 * hash(i, j, 5),
      id: i * 1000 + j + 1,
    };
    nuclei.set(key, n);
  }
  return n;
}

function nearest(x, y, z) {
  const i = Math.floor(x / kCell);
  const j = Math.floor(y / kCell);
  let best = null;
  let least = 1.6;
  for (let a = i - 1; a <= i + 1; a++)
    for (let b = j - 1; b <= j + 1; b++) {
      if (a < 0 || b < 0) continue;
      const n = nucleus(a, b);
      const dx = (x - n.x) / n.r;
      const dy = (y - n.y) / n.r;
      const dz = (z - n.z) * 2.2;
      const d = dx * dx + dy * dy + dz * dz;
      if (d < least) [least, best] = [d, n];
    }
  return best ? { n: best, d: least } : null;
}

// One bright ball in the dark: at the right, above the middle, in front.
export const kBall = { x: 0.75, y: 0.3, z: 0.2, radius: 0.12 };
export const kBallId = 7;
const isInBall = ({ shape }, z, x, y) => Math.hypot(x / shape.x - kBall.x, y / shape.y - kBall.y, (z + 0.5) / shape.z - kBall.z) < kBall.radius;

export function valueAt(image, t, c, z, x, y) {
  if (image.ball) return isInBall(image, z, x, y) ? 4000 : 100;
  const depth = image.shape.z > 1 ? z / (image.shape.z - 1) : 0.5;
  x += 14 * t + (image.shift ?? 0);
  const noise = 40 * hash(x | 0, y | 0, 31 * z + 7 * c + t);
  if (c === 0) {
    const near = nearest(x, y, depth);
    return Math.round(110 + noise + (near ? near.n.bright * Math.max(0, 1.2 - near.d) : 0));
  }
  const wave = Math.sin(x / 37 + 2.5 * Math.sin(y / 83 + depth * 3)) * Math.sin(y / 29 + 2 * Math.sin(x / 71 - depth * 2));
  return Math.round(140 + noise + 1500 * Math.max(0, wave - 0.45));
}

export function labelAt(image, z, x, y) {
  if (image.ball) return isInBall(image, z, x, y) ? kBallId : 0;
  const depth = image.shape.z > 1 ? z / (image.shape.z - 1) : 0.5;
  const near = nearest(x, y, depth);
  return near && near.d < 0.75 ? near.n.id : 0;
}

// Of labels of a part: where it begins, in pixels of its level, and its time point.
export function partLabelAt(image, x, y) {
  const { level, t, x: left, y: top, add = 0 } = image.part;
  const id = labelAt(image, 0, (x + left) * 2 ** level + 14 * t, (y + top) * 2 ** level);
  return id && id + add;
}

// The objects that labelAt() shows, with their centres.
export function labelledObjects(image) {
  const out = [];
  for (let i = 0; i * kCell < image.shape.x; i++)
    for (let j = 0; j * kCell < image.shape.y; j++) {
      const n = nucleus(i, j);
      if (n.x >= image.shape.x || n.y >= image.shape.y) continue;
      const z = n.z * (image.shape.z - 1);
      if (labelAt(image, Math.round(z), n.x, n.y) === n.id) out.push({ id: n.id, x: n.x, y: n.y, z, volume: Math.round(4.2 * n.r * n.r * 3), bright: n.bright });
    }
  return out.sort((a, b) => a.z - b.z);
}

const kSamples = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array };
const cache = new Map();

// The samples of one tile, the channels one after the other, or null outside the image.
export function tile(image, level, t, channels, z, ty, tx) {
  const key = [image.path, level, t, channels.join(), z, ty, tx].join('/');
  if (cache.has(key)) return cache.get(key);
  const shape = image.levels[level]?.shape;
  if (!shape) return null;
  const width = Math.min(kTile, shape.x - tx * kTile);
  const height = Math.min(kTile, shape.y - ty * kTile);
  if (width <= 0 || height <= 0 || z < 0 || z >= shape.z) return null;
  const step = 2 ** level;
  const out = new kSamples[image.type](channels.length * width * height);
  let at = 0;
  for (const c of channels)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const px = (tx * kTile + x) * step;
        const py = (ty * kTile + y) * step;
        out[at++] = image.part ? partLabelAt(image, px, py) : image.isLabel ? labelAt(image, z, px, py) : valueAt(image, t, c, z, px, py);
      }
  cache.set(key, out);
  if (cache.size > 400) cache.delete(cache.keys().next().value);
  return out;
}

export function histogram(image, level, t, c, z) {
  const shape = image.levels[level].shape;
  const samples = [];
  for (let y = 0; y < shape.y; y += 4) for (let x = 0; x < shape.x; x += 4) samples.push(valueAt(image, t, c, z, x * 2 ** level, y * 2 ** level));
  samples.sort((a, b) => a - b);
  const low = samples[0];
  const high = samples.at(-1);
  const bins = new Array(256).fill(0);
  for (const s of samples) bins[Math.min(255, Math.floor(((s - low) / Math.max(1, high - low)) * 256))]++;
  const part = (p) => samples[Math.min(samples.length - 1, Math.floor(p * samples.length))];
  return { bins, low, high, p01: part(0.01), p999: part(0.999), level };
}
