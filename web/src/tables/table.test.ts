import { afterEach, expect, it, vi } from 'vitest';
import { windowAt } from './grid';
import { loadTable, type Loading } from './load';
import { isRowOf, Objects, rowsOfImage } from './objects';
import { cellText, columnOf, CsvReader, decimalsOf, firstMeasured, sorted, summary, wordAt, type Table } from './table';

const bytesOf = (text: string) => new TextEncoder().encode(text);
function read(...pieces: string[]): Table {
  const reader = new CsvReader();
  pieces.forEach((p) => reader.push(bytesOf(p)));
  return reader.finish();
}
const texts = (t: Table) => Array.from({ length: t.rows }, (_, r) => t.columns.map((c) => wordAt(c, r)));
afterEach(() => vi.unstubAllGlobals());

it('quotes, line ends and pieces make no difference', () => {
  const text = '\ufefffile,area,note\r\n"a, ""1"".tif",12.5,\nb.tif,,"two\nlines"\n';
  const whole = read(text);
  expect(whole.columns.map((c) => c.name)).toEqual(['file', 'area', 'note']);
  expect(texts(whole)).toEqual([['a, "1".tif', '12.5', ''], ['b.tif', '', 'two\nlines']]);
  for (let cut = 1; cut < text.length; cut++) expect(texts(read(text.slice(0, cut), text.slice(cut)))).toEqual(texts(whole));
});

it('pieces may end within a letter, and text behind the line end of the last one counts', () => {
  const bytes = bytesOf('näme,größe\n"µm, „a“",1\nλ,-2.5');
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new CsvReader();
    reader.push(bytes.subarray(0, cut));
    reader.push(bytes.subarray(cut));
    const t = reader.finish();
    expect(t.columns.map((c) => c.name)).toEqual(['näme', 'größe']);
    expect(texts(t)).toEqual([['µm, „a“', '1'], ['λ', '-2.5']]);
  }
});

it('numbers are those that the language reads', () => {
  const words = ['0', '-0', '7', '007', '12.', '.5', '-.25', '0.1', '0.30000000000000004', '123456789.012345', '999999999999999', '9007199254740993', '1e5', '-2.5E-7', '+3', '0x10', 'Infinity', '179.769313486231570e306', '0.000001', '4.35', '1.005', '2.675', ' 8 '];
  for (let i = 0; i < 2000; i++) words.push((((i * 7919) % 100_003) / 10 ** (i % 9)).toString(), ((i * 104_729) % 1_000_003 / 977).toString());
  const t = read(`n\n${words.join('\n')}\n`);
  words.forEach((w, i) => expect(Object.is(t.columns[0]!.numbers![i], Number(w)), w).toBe(true));
  expect(read('n\n-\n').columns[0]!.words).toEqual(['-']);
  expect(read('n\n1.2.3\n').columns[0]!.words).toEqual(['1.2.3']);
  expect(read('n\n.\n').columns[0]!.words).toEqual(['.']);
});

it('a column is numbers until a word comes, and short rows are empty at their end', () => {
  const t = read('a,b\n1,2\nNA,x\n3\n\n');
  expect([t.rows, t.columns.map((c) => c.numbers !== null)]).toEqual([3, [true, false]]);
  expect(texts(t)).toEqual([['1', '2'], ['', 'x'], ['3', '']]);
  expect(read('').rows).toBe(0);
  const tabs = new CsvReader('\t');
  tabs.push(bytesOf('a\tb\n1,5\t2\n'));
  expect(texts(tabs.finish())).toEqual([['1,5', '2']]);
});

it('rows are sorted with empty cells last, words as people count', () => {
  const t = read('n,w\n3,s10\n,S2\n-1,\n2,s1\n');
  expect([...sorted(t, null, { column: 'n', down: false })]).toEqual([2, 3, 0, 1]);
  expect([...sorted(t, null, { column: 'n', down: true })]).toEqual([0, 3, 2, 1]);
  expect([...sorted(t, null, { column: 'w', down: false })]).toEqual([3, 1, 0, 2]);
  expect([...sorted(t, new Uint32Array([3, 0]), null)]).toEqual([3, 0]);
});

it('a column has a histogram and its numbers', () => {
  const t = read('n,w\n1,a\n2,a\n3,a\n,a\n10,a\n');
  expect(summary(t.columns[0]!, sorted(t, null, null), 3)).toMatchObject({ count: 4, low: 1, high: 10, mean: 4, median: 2.5, bins: [3, 0, 1] });
  expect(summary(t.columns[1]!, sorted(t, null, null))).toBeNull();
  expect(summary(read('n\n5\n5\n').columns[0]!, new Uint32Array([0, 1]), 2)).toMatchObject({ bins: [2, 0], sd: 0 });
  expect(firstMeasured(read('file,t,label,centroid_x_px,area_px\na,0,1,2,3\n'))).toBe('area_px');
});

it('numbers of a column have the same digits', () => {
  const t = read('i,a,b,c\n1,0.5,1234.5678,0.00001\n20,12.25,2,0.02\n');
  expect(t.columns.map(decimalsOf)).toEqual([0, 2, 1, 6]);
  expect(t.columns.map((c) => cellText(c, 0, decimalsOf(c)))).toEqual(['1', '0.50', '1234.6', '0.000010']);
  expect(cellText(columnOf(t, 'c')!, 0, 2)).toBe('1.00e-5');
});

it('a row belongs to the image of its file', () => {
  expect([isRowOf('/p/d1/a.ome.tif', 'a.ome.tif'), isRowOf('/p/d1/a.ome.tif', 'd1/a'), isRowOf('/p/d1/a.ome.tif', 'd2/a'), isRowOf('/p/d1/a.ome.tif', 'b'), isRowOf('/p/a.tif', '')]).toEqual([true, true, false, false, true]);
  const t = read('file,label,centroid_y_px,centroid_x_px\na.tif,1,5,6\nb.tif,1,7,8\nb.tif,2,9,10\n');
  const rows = rowsOfImage(t, '/x/b.tif');
  expect([...rows!]).toEqual([1, 2]);
  const objects = new Objects(t, rows);
  expect([objects.usable, objects.rowOf(1, 0), objects.rowOf(2, 0), objects.rowOf(3, 0)]).toEqual([true, 1, 2, null]);
  expect(objects.placeOf(2)).toEqual({ x: 10, y: 9, z: null, t: null });
  expect(objects.imageOf(0, ['/x/b.tif', '/x/a.tif'])).toBe('/x/a.tif');
  expect(rowsOfImage(t, '/x/c.tif')).toBeNull();
});

it('labels of time points are told apart', () => {
  const t = read('t,label,centroid_z_px,centroid_y_px,centroid_x_px\n0,1,2,3,4\n1,1,5,6,7\n');
  const objects = new Objects(t, null);
  expect([objects.rowOf(1, 0), objects.rowOf(1, 1)]).toEqual([0, 1]);
  expect(objects.placeOf(1)).toEqual({ x: 7, y: 6, z: 5, t: 1 });
});

it('a million objects are found in a hundred milliseconds', () => {
  const n = 1_000_000;
  const column = (name: string, numbers: Float64Array) => ({ name, numbers, codes: null, words: [] });
  const at = Float64Array.from({ length: n }, (_, i) => i);
  const t: Table = { rows: n, columns: [column('label', at.map((i) => i + 1)), column('centroid_y_px', at), column('centroid_x_px', at)] };
  const objects = new Objects(t, null);
  objects.rowOf(1, 0); // once for a table
  const found: (number | undefined)[] = [];
  const begin = performance.now();
  for (let i = 0; i < 1000; i++) found.push(objects.placeOf(objects.rowOf(n - i, 0)!)?.x);
  expect(performance.now() - begin).toBeLessThan(100);
  expect(found).toEqual(Array.from({ length: 1000 }, (_, i) => n - i - 1));
});

it('numbers of objects may be sparse, missing, or no integers', () => {
  const t = read('label,centroid_y_px,centroid_x_px\n4000000000,1,2\n,3,4\n7.5,5,6\n3,7,8\n3,9,9\n');
  const objects = new Objects(t, null);
  expect([4e9, 3, 7.5, 4, 0].map((l) => objects.rowOf(l, 0))).toEqual([0, 3, 2, null, null]);
  const dense = new Objects(read('label,centroid_y_px,centroid_x_px\n2,0,0\n1,0,0\n2,0,0\n'), null);
  expect([1, 2, 3, 0, -1, 1.5].map((l) => dense.rowOf(l, 0))).toEqual([1, 0, null, null, null, null]);
});

it('a table arrives in pieces, from the archive if it must', async () => {
  const text = `a,b\n${'1234567,89\n'.repeat(400_000)}`;
  let asked = 0;
  vi.stubGlobal('fetch', async (address: string) => {
    if (++asked === 2) return new Response('{"error": "recalling", "code": "EAGAIN"}', { status: 503, headers: { 'x-tierhub-state': 'recalling', 'x-tierhub-eta-ms': '60' } });
    const q = new URL(address, 'http://x').searchParams;
    const begin = Number(q.get('begin'));
    return new Response(text.slice(begin, begin + Number(q.get('bytes'))));
  });
  const seen: Loading[] = [];
  await loadTable('/a b.csv', (l) => seen.push(l), new AbortController().signal);
  expect(seen.some((l) => l.cold === 60)).toBe(true);
  expect(seen.at(-1)).toMatchObject({ done: true, error: '', bytes: text.length });
  expect(seen.at(-1)!.table!.rows).toBe(400_000);
  expect(seen[0]!.table!.rows).toBeGreaterThan(100_000);
});

it('a box shows the rows at its place, to the last, however many there are', () => {
  expect(windowAt(0, 100, 260)).toMatchObject({ first: 0, height: 2600 });
  expect(windowAt(39, 100, 260)).toMatchObject({ first: 1, offset: -13 });
  expect(windowAt(2340, 100, 260).first).toBe(90);
  const many = windowAt(1e9, 5_000_000, 260);
  expect([many.first, many.height]).toEqual([4_999_990, 8_000_000]);
  expect(windowAt(0, 3, 260)).toMatchObject({ first: 0, offset: -0 });
});
