import { expect, it } from 'vitest';
import type { Dataset, Prefetch } from '../api/types';
import { encode, halfOf } from './half';
import { archiveRate, askText, missingBytes, planText, planVolume, volumeBar, voxelsOf } from './plan';

function image(x: number, z: number, more: Partial<Dataset> = {}): Dataset {
  const levels = [];
  for (let side = x; ; side = (side + 1) >> 1) {
    levels.push({ shape: { t: 1, c: 2, z, y: side, x: side }, stored: true });
    if (side <= 512) break;
  }
  return { shape: { t: 1, c: 2, z, y: x, x }, type: 'uint16', tile: 512, levels, voxel_size: { z: 1.5, y: 0.5, x: 0.5 }, voxel_unit: 'micrometer', size: 1000, resident: 0, ...more } as Dataset;
}

it('the finest level that fits is drawn', () => {
  expect(planVolume(image(1024, 64), 1)).toMatchObject({ level: 0, stride: 1, width: 1024, bytes: 2 ** 27, size: [1, 1, 3] });
  expect(planVolume(image(2048, 64), 1)).toMatchObject({ level: 1, width: 1024 }); // 512 MiB of a channel are too much
  expect(planVolume(image(8192, 4), 1)).toMatchObject({ level: 2, width: 2048, size: [4 / 3, 4 / 3, 1] });
  expect(planVolume(image(1024, 64), 1, 512)).toMatchObject({ level: 1, width: 512 }); // as the graphics card wants it
});

it('all channels together have a limit, too', () => {
  expect(planVolume(image(1024, 120), 3)).toMatchObject({ level: 0 });
  expect(planVolume(image(1024, 120), 4)).toMatchObject({ level: 1 });
});

it('planes are left out only where no level is coarse enough', () => {
  const plan = planVolume(image(512, 3000), 1)!;
  expect(plan).toMatchObject({ level: 0, stride: 6 });
  expect(plan.planes.at(-1)).toBeLessThan(3000);
  expect(plan.bytes).toBeLessThanOrEqual(256 * 2 ** 20);
  expect(planText(image(512, 3000), plan)).toBe('512 × 512 × 500 voxels, one plane in 6');
});

it('an image whose coarsest level is too large has no plan', () => {
  expect(planVolume({ ...image(8192, 4), levels: [image(8192, 4).levels![0]!] }, 1)).toBeNull();
});

it('unknown voxels are cubes', () => {
  const d = image(512, 16, { voxel_size: null });
  const plan = planVolume(d, 1)!;
  expect(plan.size).toEqual([1, 1, 1]);
  expect(planText(d, plan)).toMatch(/not known: voxels are drawn as cubes$/);
});

it('what is missing is that of the level that is read, and of the channels', () => {
  const d = image(2048, 64);
  const plan = planVolume(d, 1)!;
  expect(missingBytes(d, plan, 1, [{ size: 800, resident: 0 }, { size: 200, resident: 50 }, { size: 50, resident: 50 }])).toBe(75);
  expect(missingBytes(d, plan, 2, null)).toBe(Math.ceil((1000 * 1024 ** 2) / (2048 ** 2 + 1024 ** 2 + 512 ** 2)));
  // A level that is not stored is made out of the last one that is.
  const flat = { ...d, levels: d.levels!.map((l, i) => ({ ...l, stored: i === 0 })) };
  expect(missingBytes(flat, plan, 2, null)).toBe(1000);
});

it('the rate is that of what runs, else of what ran last', () => {
  const one = { state: 'done', copied_bytes: 2 ** 22, created: '2026-11-30T10:00:00Z', ended: '2026-11-30T10:00:02Z', rate_bytes_per_s: 0 } as Prefetch;
  expect(archiveRate([])).toBe(0);
  expect(archiveRate([one])).toBe(2 ** 21);
  expect(archiveRate([one, { ...one, state: 'running', rate_bytes_per_s: 500, ended: null }])).toBe(500);
  expect(askText(2 ** 21, 2 ** 20)).toBe('About 2.0 MiB of this volume are in the archive, which takes about 2 s.');
  expect(askText(2 ** 21, 0)).toMatch(/not known yet\.$/);
});

const valueOf = (half: number) => {
  const [sign, exponent, fraction] = [half & 0x8000 ? -1 : 1, (half >> 10) & 31, half & 1023];
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
};

it('half floats are near what they stand for', () => {
  for (const v of [0, 1, -1, 0.5, 1000, 2048, 2049, 65504, 32767.5, -1234.5, 6e-6]) expect(Math.abs(valueOf(halfOf(v)) - v)).toBeLessThanOrEqual(Math.abs(v) * 2 ** -11 + 2 ** -25);
  expect(valueOf(halfOf(1e9))).toBe(65504);
  expect(valueOf(halfOf(-1e9))).toBe(-65504);
});

it('rows are upside down in a texture, and samples are scaled', () => {
  const out = encode(Uint16Array.of(1, 2, 3, 60000), 2, 2, voxelsOf('uint16'));
  expect([...out].map(valueOf)).toEqual([1.5, 30000, 0.5, 1]);
  expect([...encode(Int16Array.of(-3, 7), 1, 2, voxelsOf('int16'))].map(valueOf)).toEqual([7, -3]);
  expect([...encode(Uint8Array.of(1, 2), 1, 2, voxelsOf('uint8'))]).toEqual([2, 1]);
});

it('the scale bar is true in the middle of the view', () => {
  const d = image(512, 64); // 256 x 256 x 96 micrometres
  const plan = planVolume(d, 1)!;
  // The diagonal, 512 * sqrt(2.14) voxel sides of 0.5 micrometres, takes 1000 pixels, less the margin.
  const perPixel = (0.5 * Math.hypot(512, 512, 192)) / 1000 * 2 ** 0.1;
  const bar = volumeBar(d, plan, 0, 1000, 1200);
  expect(bar.text).toBe('50 µm');
  expect(bar.pixels).toBeCloseTo(50 / perPixel, 6);
  expect(volumeBar(d, plan, 1, 1000, 1200).text).toBe('20 µm'); // twice as near
  // A coarser level has larger voxels, and shows the same.
  const coarse = volumeBar(d, { ...plan, level: 1, width: 256, height: 256, size: [1, 1, 1.5] }, 0, 1000, 1200);
  expect(coarse.text).toBe('50 µm');
  expect(coarse.pixels).toBeCloseTo(bar.pixels, 6);
  expect(volumeBar({ ...d, voxel_size: null } as unknown as Dataset, planVolume({ ...d, voxel_size: null } as unknown as Dataset, 1)!, 0, 1000, 1000).text).toMatch(/px$/);
});
