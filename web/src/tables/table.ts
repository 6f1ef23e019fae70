// A table in columns: numbers as numbers, words by their number in a list. A million rows need some ten megabytes a column.

export interface Column {
  name: string;
  numbers: Float64Array | null; // NaN: the cell is empty
  codes: Uint32Array | null; // of words; exactly one of both is there
  words: string[];
}

export interface Table {
  columns: Column[];
  rows: number;
}

class Growing {
  private size = 0;
  private numbers: Float64Array | null = new Float64Array(1024);
  private codes: Uint32Array | null = null;
  private words: string[] = [];
  private known = new Map<string, number>();

  constructor(readonly name: string) {}

  push(cell: string): void {
    if (this.numbers) {
      const n = cell === '' ? NaN : Number(cell);
      if (n === n || cell === '' || cell === 'nan' || cell === 'NaN' || cell === 'NA') {
        if (this.size === this.numbers.length) this.numbers = grown(this.numbers, new Float64Array(2 * this.size));
        this.numbers[this.size++] = n;
        return;
      }
      this.becomeWords(this.numbers);
    }
    if (this.size === this.codes!.length) this.codes = grown(this.codes!, new Uint32Array(2 * this.size));
    this.codes![this.size++] = this.code(cell);
  }

  column(): Column {
    return { name: this.name, numbers: this.numbers?.subarray(0, this.size) ?? null, codes: this.codes?.subarray(0, this.size) ?? null, words: this.words };
  }

  private becomeWords(numbers: Float64Array): void {
    this.codes = new Uint32Array(numbers.length);
    for (let i = 0; i < this.size; i++) this.codes[i] = this.code(Number.isNaN(numbers[i]!) ? '' : String(numbers[i]));
    this.numbers = null;
  }

  private code(word: string): number {
    let code = this.known.get(word);
    if (code === undefined) {
      code = this.words.length;
      this.words.push(word);
      this.known.set(word, code);
    }
    return code;
  }
}

function grown<T extends Float64Array | Uint32Array>(old: T, next: T): T {
  next.set(old as never);
  return next;
}

// Reads CSV (RFC 4180; or with tabs) as it arrives.
export class CsvReader {
  private columns: Growing[] | null = null;
  private rows = 0;
  private rest = '';
  private readonly separator: number;

  constructor(separator = ',') {
    this.separator = separator.charCodeAt(0);
  }

  push(text: string): void {
    const all = this.rest + text;
    const end = lastLineEnd(all);
    this.rest = all.slice(end);
    this.read(all.slice(0, end));
  }

  finish(): Table {
    if (this.rest) this.read(this.rest);
    this.rest = '';
    return this.table();
  }

  // What has been read so far.
  table(): Table {
    return { columns: (this.columns ?? []).map((c) => c.column()), rows: this.rows };
  }

  private read(text: string): void {
    let at = 0;
    while (at < text.length) {
      const cells: string[] = [];
      for (;;) {
        let cell: string;
        [cell, at] = nextCell(text, at, this.separator);
        cells.push(cell);
        if (text.charCodeAt(at) !== this.separator) break;
        at++;
      }
      if (text[at] === '\r') at++;
      if (text[at] === '\n') at++;
      this.row(cells);
    }
  }

  private row(cells: string[]): void {
    if (!this.columns) {
      this.columns = cells.map((name, i) => new Growing(i === 0 ? name.replace(/^\ufeff/, '') : name));
      return;
    }
    if (cells.length === 1 && cells[0] === '' && this.columns.length > 1) return; // an empty line
    for (let i = 0; i < this.columns.length; i++) this.columns[i]!.push(cells[i] ?? '');
    this.rows++;
  }
}

// Behind the last line end that is not inside quotes.
function lastLineEnd(text: string): number {
  if (!text.includes('"')) return text.lastIndexOf('\n') + 1;
  let end = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 34) quoted = !quoted;
    else if (c === 10 && !quoted) end = i + 1;
  }
  return end;
}

function nextCell(text: string, at: number, separator: number): [cell: string, end: number] {
  if (text.charCodeAt(at) !== 34) {
    let end = at;
    for (let c; end < text.length && (c = text.charCodeAt(end)) !== separator && c !== 10 && c !== 13; ) end++;
    return [text.slice(at, end), end];
  }
  let cell = '';
  for (let i = at + 1; i < text.length; i++) {
    if (text.charCodeAt(i) !== 34) {
      cell += text[i];
    } else if (text.charCodeAt(i + 1) === 34) {
      cell += '"';
      i++;
    } else return [cell, i + 1];
  }
  return [cell, text.length];
}

export const columnOf = (t: Table, name: string) => t.columns.find((c) => c.name === name);
export const wordAt = (c: Column, row: number) => (c.codes ? (c.words[c.codes[row]!] ?? '') : Number.isNaN(c.numbers![row]!) ? '' : String(c.numbers![row]));

// Digits behind the point, the same for a whole column: as many as its numbers deserve.
export function decimalsOf(c: Column): number {
  if (!c.numbers) return 0;
  let largest = 0;
  let whole = true;
  for (let i = 0; i < Math.min(c.numbers.length, 500); i++) {
    const n = Math.abs(c.numbers[i]!);
    if (!(n < Infinity)) continue;
    if (n > largest) largest = n;
    if (!Number.isInteger(n)) whole = false;
  }
  if (whole) return 0;
  return largest >= 1000 ? 1 : largest >= 10 ? 2 : largest >= 0.1 ? 3 : 6;
}

export function cellText(c: Column, row: number, decimals: number): string {
  if (!c.numbers) return wordAt(c, row);
  const n = c.numbers[row]!;
  if (Number.isNaN(n)) return '';
  const text = n.toFixed(decimals);
  // A small number is not nothing.
  return (n !== 0 && Number(text) === 0) || Math.abs(n) >= 1e15 ? n.toExponential(2) : text;
}

export interface Order {
  column: string;
  down: boolean;
}

const words = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

// The rows of `rows` (all: null) in an order. Empty cells come last; equal ones stay as they were.
export function sorted(t: Table, rows: Uint32Array | null, order: Order | null): Uint32Array {
  const out = rows ? rows.slice() : Uint32Array.from({ length: t.rows }, (_, i) => i);
  const c = order && columnOf(t, order.column);
  if (!c) return out;
  const way = order.down ? -1 : 1;
  let keys = c.numbers;
  if (!keys) {
    const places = new Float64Array(c.words.length);
    c.words.map((w, i) => [w, i] as const).sort((a, b) => words.compare(a[0], b[0])).forEach(([w, i], place) => { places[i] = w === '' ? NaN : place; });
    keys = Float64Array.from(c.codes!, (code) => places[code]!);
  }
  const k = keys;
  return out.sort((a, b) => {
    const [x, y] = [k[a]!, k[b]!];
    if (x === y) return a - b;
    if (x !== x) return y !== y ? a - b : 1;
    return y !== y ? -1 : way * (x - y);
  });
}

export interface Summary {
  count: number;
  low: number;
  high: number;
  mean: number;
  sd: number;
  median: number;
  bins: number[];
}

export function summary(c: Column, rows: Uint32Array, bins = 64): Summary | null {
  if (!c.numbers) return null;
  const values = new Float64Array(rows.length);
  let count = 0;
  for (const r of rows) if (Number.isFinite(c.numbers[r]!)) values[count++] = c.numbers[r]!;
  if (!count) return null;
  const all = values.subarray(0, count).sort();
  const [low, high] = [all[0]!, all[count - 1]!];
  let sum = 0;
  for (const v of all) sum += v;
  const mean = sum / count;
  let squares = 0;
  const counts = new Array<number>(bins).fill(0);
  for (const v of all) {
    squares += (v - mean) ** 2;
    counts[Math.min(bins - 1, Math.floor(((v - low) / (high - low || 1)) * bins))]!++;
  }
  const middle = count >> 1;
  return { count, low, high, mean, sd: count > 1 ? Math.sqrt(squares / (count - 1)) : 0, median: count % 2 ? all[middle]! : (all[middle - 1]! + all[middle]!) / 2, bins: counts };
}

// What one looks at first: a measured column, not where an object is.
export function firstMeasured(t: Table): string {
  const place = /^(.*_)?(centroid|begin|end)_[zyx]_(px|um)$|^(file|well|field|t|c|label|parent)$/;
  return (t.columns.find((c) => c.numbers && !place.test(c.name)) ?? t.columns.find((c) => c.numbers))?.name ?? '';
}
