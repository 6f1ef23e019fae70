import { expect, it } from 'vitest';
import { asGrid, inOrder, isPlate, neighbour, otherField, otherWell, placeOf, wellName, type Plate } from './plate';

const well = (row: number, column: number, fields = 2) => ({ path: `${'ABC'[row]}/${column + 1}`, row, column, fields: Array.from({ length: fields }, (_, i) => ({ path: `${'ABC'[row]}/${column + 1}/${i}` })) });
// A1 . A3 / . B2 . / C1 (without fields) . C3
const plate: Plate = { name: 'p', rows: ['A', 'B', 'C'], columns: ['1', '2', '3'], wells: [well(2, 2, 1), well(0, 0), well(1, 1, 9), well(2, 0, 0), well(0, 2)] };
const at = (path: string) => placeOf(plate, '/x/p.zarr', `/x/p.zarr/${path}`)!;

it('wells are read row by row, and have names', () => {
  expect(inOrder(plate).map((w) => wellName(plate, w))).toEqual(['A1', 'A3', 'B2', 'C1', 'C3']);
  expect(asGrid(plate).map((row) => [0, 1, 2].map((c) => Boolean(row[c])))).toEqual([[true, false, true], [false, true, false], [true, false, true]]);
});

it('arrows skip wells that were not imaged, and stop at the edge', () => {
  const a1 = inOrder(plate)[0]!;
  expect(neighbour(plate, a1, 1, 0).path).toBe('A/3');
  expect(neighbour(plate, a1, 0, 1).path).toBe('C/1');
  expect(neighbour(plate, a1, -1, 0).path).toBe('A/1');
});

it('the next well shows the same field, or the last one that it has', () => {
  expect(at('A/1/1')).toMatchObject({ field: 1, well: { path: 'A/1' } });
  expect(otherWell(plate, '/x/p.zarr', at('A/3/1'), 1)).toBe('/x/p.zarr/B/2/1');
  expect(otherWell(plate, '/x/p.zarr', at('B/2/8'), 1)).toBe('/x/p.zarr/C/3/0'); // C1 has no fields
  expect(otherWell(plate, '/x/p.zarr', at('A/1/0'), -1)).toBeNull();
  expect(otherField('/x/p.zarr', at('A/1/0'), 1)).toBe('/x/p.zarr/A/1/1');
  expect(otherField('/x/p.zarr', at('A/1/1'), 1)).toBeNull();
  expect(placeOf(plate, '/x/p.zarr', '/x/q.zarr/A/1/0')).toBeNull();
});

it('the path of a plate, as a field has it, is no plate', () => {
  expect([isPlate(plate), isPlate('/x/p.zarr'), isPlate(null), isPlate({})]).toEqual([true, false, false, false]);
});

it('a plate of 1536 wells with 9 fields is quick', () => {
  const letters = Array.from({ length: 32 }, (_, i) => (i < 26 ? String.fromCharCode(65 + i) : `A${String.fromCharCode(39 + i)}`));
  const big: Plate = { name: 'big', rows: letters, columns: Array.from({ length: 48 }, (_, i) => String(i + 1)), wells: letters.flatMap((r, row) => Array.from({ length: 48 }, (_, column) => ({ path: `${r}/${column + 1}`, row, column, fields: Array.from({ length: 9 }, (_, f) => ({ path: `${r}/${column + 1}/${f}` })) }))) };
  const start = performance.now();
  for (let i = 0; i < 20; i++) expect(otherWell(big, '/p', placeOf(big, '/p', '/p/AF/48/8')!, -1)).toBe('/p/AF/47/8');
  expect((performance.now() - start) / 20).toBeLessThan(20);
});
