import { expect, it } from 'vitest';
import type { Dataset, Entry } from '../api/types';
import { evictSentence, labelOf } from './actions';
import { arrange, mergeRows, shapeText } from './rows';
import { progressText, toShow } from './transfers';

const entry = (path: string, more: Partial<Entry> = {}): Entry => ({
  path, kind: 'file', state: 'hot', size: 10, resident: 10, dirty: 0, mtime: '2026-01-02T03:04:05Z', writing: false, pins: [], files: 0, ...more,
});
const dataset = (path: string, more: Partial<Dataset> = {}): Dataset => ({
  path, name: '', format: 'OME-Zarr', version: '1', axes: 'czyx', shape: { c: 2, z: 24, y: 2048, x: 1024 }, type: 'uint16', bytes: 1, voxel_size: null, voxel_unit: '',
  tile: 512, channels: [], labels: [], not_decodable: null, state: 'cold', resident: 0, size: 5, ...more,
});

it('a folder says nothing about its bytes until its sums are known', () => {
  const folder = entry('/a/sub', { kind: 'directory', state: '', size: 0 });
  expect(mergeRows('/a', [folder], [], [])[0]).toMatchObject({ kind: 'folder', state: null, size: null });
  expect(mergeRows('/a', [folder], [{ ...folder, state: 'partial', size: 30, resident: 10, files: 3 }], [])[0]).toMatchObject({ state: 'partial', size: 30, files: 3 });
});

it('a folder that is an image is a dataset, and so is a series of files', () => {
  const rows = mergeRows('/a', [entry('/a/x.zarr', { kind: 'directory', state: '' })], [], [dataset('/a/x.zarr'), dataset('/a/s_<1-9>.tif')]);
  expect(rows.map((r) => [r.kind, r.name, r.size])).toEqual([['dataset', 'x.zarr', 5], ['dataset', 's_<1-9>.tif', 5]]);
});

it('until the images are known, a folder with the name of one opens as one', () => {
  const folder = entry('/a/x.zarr', { kind: 'directory', state: '' });
  expect(mergeRows('/a', [folder], [], undefined)[0]).toMatchObject({ kind: 'dataset', dataset: null });
  expect(mergeRows('/a', [folder], [], [])[0]).toMatchObject({ kind: 'folder' });
});

it('an image that cannot be opened is a file that says why', () => {
  const broken = { path: '/a/b.tif', name: 'b.tif', error: 'it is cut off', not_decodable: 'it is cut off' as string | null, state: 'hot' as const, size: 1, resident: 1 };
  expect(mergeRows('/a', [entry('/a/b.tif')], [], [broken])[0]).toMatchObject({ kind: 'file', dataset: null, error: 'it is cut off', size: 10 });
  expect(mergeRows('/a', [], [], [broken])[0]).toMatchObject({ kind: 'file', dataset: null, error: 'it is cut off', size: 1 });
});

it('an image that was left in the archive can be opened', () => {
  const cold = { path: '/a/b.tif', name: 'b.tif', error: 'it is in the archive', not_decodable: null, state: 'cold' as const, size: 9, resident: 0 };
  expect(mergeRows('/a', [entry('/a/b.tif')], [], [cold])[0]).toMatchObject({ kind: 'dataset', dataset: null, error: 'it is in the archive' });
});

it('an empty error is none', () => {
  expect(mergeRows('/a', [], [], [{ ...dataset('/a/b.tif'), error: '' }])[0]).toMatchObject({ kind: 'dataset', error: '' });
});

it('images further down count for their folder, known or not', () => {
  const rows = mergeRows('/', [entry('/p', { kind: 'directory' })], [], [dataset('/p/1.tif'), dataset('/p/deep/2.tif'), dataset('/q/3.tif')]);
  expect(rows.map((r) => [r.kind, r.path, r.images])).toEqual([['folder', '/p', 2], ['folder', '/q', 1]]);
});

it('names are ordered as people count, folders first, and the filter ignores case', () => {
  const rows = mergeRows('/', [entry('/s10'), entry('/S2'), entry('/z', { kind: 'directory' })], [], []);
  expect(arrange(rows, { key: 'name', down: false }, '').map((r) => r.name)).toEqual(['z', 'S2', 's10']);
  expect(arrange(rows, { key: 'name', down: false }, ' S1 ').map((r) => r.name)).toEqual(['s10']);
});

it('10,000 rows are merged, filtered and ordered in well under 200 ms', () => {
  const many = Array.from({ length: 10_000 }, (_, i) => entry(`/big/frame_${i}.tif`, { size: (i * 7919) % 10007 }));
  const start = performance.now();
  arrange(mergeRows('/big', many, many, []), { key: 'size', down: true }, 'frame');
  expect(performance.now() - start).toBeLessThan(1000); // a busy machine; 30 ms alone
});

it('a shape reads as a size', () => expect(shapeText(dataset('/a'))).toBe('1024 × 2048 × 24 · 2 channels'));

it('what eviction left says why', () => {
  expect(evictSentence({ files: 3, bytes: 3 * 2 ** 20, skipped: [], skipped_files: 0 })).toBe('Freed 3.0 MiB of the SSD (3 files). The data stays in the archive.');
  expect(evictSentence({ files: 0, bytes: 0, skipped: [{ path: '/a/x', reason: 'dirty' }], skipped_files: 2 })).toBe('Nothing was freed. 2 files had to stay, for example /a/x: dirty.');
  expect(evictSentence({ files: 0, bytes: 0, skipped: [], skipped_files: 0 })).toBe('Nothing was freed. None of this is on the SSD.');
});

it('labels name what was asked for', () => expect([labelOf(['/']), labelOf(['/a/b']), labelOf(['/a/b', '/c', '/d'])]).toEqual(['all data', 'b', 'b and 2 others']));

it('transfers show rate and remaining time, or why nothing moves', () => {
  const p = {
    id: 1, state: 'running' as const, label: 'x', total_bytes: 2 ** 30, done_bytes: 2 ** 29, copied_bytes: 0, total_files: 2, done_files: 1, failed_files: 0, first_error: '',
    rate_bytes_per_s: 2 ** 28, eta_s: 2, reason: '', created: '', ended: null,
  };
  expect(progressText(p)).toBe('512 MiB of 1.0 GiB · 256 MiB/s · about 2 s left');
  expect(progressText({ ...p, reason: 'waits for room' })).toBe('512 MiB of 1.0 GiB · waits for room');
  const ended = new Date(1000).toISOString();
  expect(toShow([p, { ...p, state: 'done', ended }, { ...p, state: 'cancelled', ended }], 2000)).toHaveLength(2);
  expect(toShow([{ ...p, state: 'done', ended }], 1e9)).toHaveLength(0);
});

it('a plate is one row that opens, not an image that could not be read', () => {
  const plate = { path: '/p/a.zarr', name: 'a.zarr', is_plate: true, error: 'this is a plate', not_decodable: null, state: 'partial' as const, size: 10, resident: 4 };
  const [row] = mergeRows('/p', [], [], [plate]);
  expect(row).toMatchObject({ kind: 'dataset', plate: true, error: '', state: 'partial' });
  expect(mergeRows('/p', [], [], [{ ...plate, is_plate: false }])[0]).toMatchObject({ plate: false, error: 'this is a plate' });
});
