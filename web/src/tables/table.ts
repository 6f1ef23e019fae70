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

const kQuote = 34;
const kReturn = 13;
const kNewline = 10;
// Powers of ten that are exact.
const kTens = Array.from({ length: 16 }, (_, i) => 10 ** i);
const kMostDigits = 15; // an integer of so many is exact
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function textOf(bytes: Uint8Array, begin: number, end: number): string {
  if (end - begin > 64) return utf8.decode(bytes.subarray(begin, end));
  let text = '';
  for (let i = begin; i < end; i++) {
    const c = bytes[i]!;
    if (c > 127) return utf8.decode(bytes.subarray(begin, end));
    text += String.fromCharCode(c);
  }
  return text;
}

class Growing {
  private size = 0;
  private numbers: Float64Array | null = new Float64Array(1024);
  private codes: Uint32Array | null = null;
  private words: string[] = [];
  private known = new Map<string, number>();

  constructor(readonly name: string) {}

  // The cell at `at`, in text that has no unfinished line; returns where it ends. Most cells are plain decimal numbers: no
  // string is made of them. An integer of 15 digits and a power of ten up to 10^15 are exact, so their quotient is the
  // number that Number() would give.
  read(bytes: Uint8Array, at: number, end: number, separator: number): number {
    if (this.numbers) {
      let i = at;
      let value = 0;
      let digits = 0;
      let point = -1; // how many digits came before it
      const negative = bytes[i] === 45;
      if (negative) i++;
      for (; i < end; i++) {
        const c = bytes[i]!;
        if (c >= 48 && c <= 57) {
          value = value * 10 + c - 48;
          digits++;
        } else if (c === 46 && point < 0) point = digits;
        else break;
      }
      const isEnd = i === end || bytes[i] === separator || bytes[i] === kNewline || bytes[i] === kReturn;
      if (isEnd && digits > 0 && digits <= kMostDigits) {
        if (point >= 0) value /= kTens[digits - point]!;
        this.number(negative ? -value : value);
        return i;
      }
    }
    const [text, next] = nextCell(bytes, at, end, separator);
    this.push(text);
    return next;
  }

  push(cell: string): void {
    if (this.numbers) {
      const n = cell === '' ? NaN : Number(cell);
      if (n === n || cell === '' || cell === 'nan' || cell === 'NaN' || cell === 'NA') return this.number(n);
      this.becomeWords(this.numbers);
    }
    if (this.size === this.codes!.length) this.codes = grown(this.codes!, new Uint32Array(2 * this.size));
    this.codes![this.size++] = this.code(cell);
  }

  column(): Column {
    return { name: this.name, numbers: this.numbers?.subarray(0, this.size) ?? null, codes: this.codes?.subarray(0, this.size) ?? null, words: this.words };
  }

  private number(n: number): void {
    if (this.size === this.numbers!.length) this.numbers = grown(this.numbers!, new Float64Array(2 * this.size));
    this.numbers![this.size++] = n;
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

// Reads CSV (RFC 4180; or with tabs) as it arrives: UTF-8, in pieces that may end anywhere.
export class CsvReader {
  private columns: Growing[] | null = null;
  private rows = 0;
  private rest = new Uint8Array();
  private readonly separator: number;

  constructor(separator = ',') {
    this.separator = separator.charCodeAt(0);
  }

  push(piece: Uint8Array): void {
    let all = piece;
    if (this.rest.length) {
      all = new Uint8Array(this.rest.length + piece.length);
      all.set(this.rest);
      all.set(piece, this.rest.length);
    }
    const end = lastLineEnd(all);
    this.read(all, end);
    this.rest = all.slice(end);
  }

  finish(): Table {
    this.read(this.rest, this.rest.length);
    this.rest = new Uint8Array();
    return this.table();
  }

  // What has been read so far.
  table(): Table {
    return { columns: (this.columns ?? []).map((c) => c.column()), rows: this.rows };
  }

  private read(bytes: Uint8Array, end: number): void {
    let at = 0;
    while (at < end) {
      at = this.columns ? this.row(this.columns, bytes, at, end) : this.head(bytes, at, end);
      if (bytes[at] === kReturn) at++;
      if (at < end && bytes[at] === kNewline) at++;
    }
  }

  private head(bytes: Uint8Array, begin: number, end: number): number {
    this.columns = [];
    for (let at = begin; ; at++) {
      const [name, next] = nextCell(bytes, at, end, this.separator);
      this.columns.push(new Growing(at === begin ? name.replace(/^\ufeff/, '') : name));
      at = next;
      if (at >= end || bytes[at] !== this.separator) return at;
    }
  }

  private row(columns: Growing[], bytes: Uint8Array, begin: number, end: number): number {
    const first = bytes[begin];
    if ((first === kNewline || first === kReturn) && columns.length > 1) return begin; // an empty line
    let at = begin;
    for (let i = 0; ; i++) {
      at = i < columns.length ? columns[i]!.read(bytes, at, end, this.separator) : nextCell(bytes, at, end, this.separator)[1];
      if (at < end && bytes[at] === this.separator) {
        at++;
        continue;
      }
      for (let k = i + 1; k < columns.length; k++) columns[k]!.push('');
      this.rows++;
      return at;
    }
  }
}

// Behind the last line end that is not inside quotes.
function lastLineEnd(bytes: Uint8Array): number {
  if (bytes.indexOf(kQuote) < 0) return bytes.lastIndexOf(kNewline) + 1;
  let end = 0;
  let quoted = false;
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i];
    if (c === kQuote) quoted = !quoted;
    else if (c === kNewline && !quoted) end = i + 1;
  }
  return end;
}

function nextCell(bytes: Uint8Array, at: number, end: number, separator: number): [cell: string, end: number] {
  if (bytes[at] !== kQuote) {
    let to = at;
    for (let c; to < end && (c = bytes[to]) !== separator && c !== kNewline && c !== kReturn; ) to++;
    return [textOf(bytes, at, to), to];
  }
  let cell = '';
  let from = at + 1;
  for (let i = from; i < end; i++) {
    if (bytes[i] !== kQuote) continue;
    cell += textOf(bytes, from, i);
    if (bytes[i + 1] !== kQuote) return [cell, i + 1];
    cell += '"';
    from = ++i + 1;
  }
  return [cell + textOf(bytes, from, end), end];
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
  const out = rows ? rows.slice() : new Uint32Array(t.rows);
  if (!rows) for (let i = 0; i < out.length; i++) out[i] = i;
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
