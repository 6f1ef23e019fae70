// Rows of a table and objects of a label image: which row is which object, and where it is.
import { nameOf } from '../api/paths';
import { columnOf, wordAt, type Column, type Table } from './table';

const bare = (name: string) => name.toLowerCase().replace(/(\.ome)?\.(zarr|tiff?|mrc|map|h5|hdf5|ims|png|jpe?g|svs|ndpi)$/, '');

// The column "file" has a name, or a path below what the workflow was given.
export function isRowOf(image: string, file: string): boolean {
  if (!file) return true;
  if (image === file || image.endsWith(`/${file}`)) return true;
  const name = nameOf(file);
  return bare(nameOf(image)) === bare(name) && (!file.includes('/') || bare(image).endsWith(`/${bare(file)}`));
}

// The rows of one image; all, if the table does not say of which image they are.
export function rowsOfImage(t: Table, image: string): Uint32Array | null {
  const file = columnOf(t, 'file');
  if (!file) return null;
  const fits = file.codes ? file.words.map((w) => isRowOf(image, w)) : null;
  if (!fits || fits.every(Boolean) || !fits.some(Boolean)) return null;
  const rows = new Uint32Array(t.rows);
  let n = 0;
  for (let r = 0; r < t.rows; r++) if (fits[file.codes![r]!]) rows[n++] = r;
  return rows.slice(0, n);
}

export interface Place {
  x: number;
  y: number;
  z: number | null;
  t: number | null;
}

interface Index {
  get(label: number): number | undefined; // its row, the first one
}

export class Objects {
  private readonly label: Column | undefined;
  private readonly time: Column | undefined;
  private readonly at: (Column | undefined)[];
  private index: Index | null = null; // of the last time point that was asked for
  private indexed: number | null = null;

  constructor(
    private readonly table: Table,
    private readonly rows: Uint32Array | null,
  ) {
    this.label = columnOf(table, 'label');
    const t = columnOf(table, 't');
    // One time point for all is no reason to tell them apart.
    this.time = t?.numbers?.some((n) => n !== t.numbers![0]) ? t : undefined;
    this.at = ['x', 'y', 'z'].map((axis) => columnOf(table, `centroid_${axis}_px`));
  }

  get usable(): boolean {
    return Boolean(this.label?.numbers && this.at[0]?.numbers && this.at[1]?.numbers);
  }

  labelOf(row: number): number {
    return this.label?.numbers?.[row] ?? 0;
  }

  // As the table has it, also if it is the same for all.
  timeOf(row: number): number | null {
    return columnOf(this.table, 't')?.numbers?.[row] ?? null;
  }

  placeOf(row: number): Place | null {
    const [x, y, z] = this.at.map((c) => c?.numbers?.[row] ?? NaN);
    if (!Number.isFinite(x) || !Number.isFinite(y)) return null;
    const t = this.time?.numbers?.[row] ?? NaN;
    return { x: x!, y: y!, z: Number.isFinite(z) ? z! : null, t: Number.isFinite(t) ? t : null };
  }

  rowOf(label: number, t: number): number | null {
    const time = this.time ? t : 0;
    if (!this.index || this.indexed !== time) {
      this.indexed = time;
      this.index = this.indexOf(t);
    }
    return this.index.get(label) ?? null;
  }

  private indexOf(t: number): Index {
    const n = this.rows?.length ?? this.table.rows;
    const labels = this.label?.numbers;
    const rowAt = (i: number) => (this.rows ? this.rows[i]! : i);
    let most = 0;
    let whole = Boolean(labels);
    for (let i = 0; i < n && whole; i++) {
      const l = labels![rowAt(i)]!;
      if (l > most) most = l;
      whole = Number.isInteger(l) && l >= 0;
    }
    // Numbers of objects are dense: a list is made in a tenth of the time of a map.
    const list = whole && most <= 4 * n + 1024 ? new Int32Array(most + 1).fill(-1) : null;
    const map = new Map<number, number>();
    for (let i = 0; i < n; i++) {
      const r = rowAt(i);
      if (this.time && this.time.numbers![r] !== t) continue;
      const l = this.labelOf(r);
      if (!list) {
        if (!map.has(l)) map.set(l, r);
      } else if (list[l]! < 0) list[l] = r;
    }
    return list ? { get: (label) => (list[label]! >= 0 ? list[label] : undefined) } : map;
  }

  // Of which image a row is, among some.
  imageOf(row: number, images: string[]): string | null {
    const file = columnOf(this.table, 'file');
    const name = file ? wordAt(file, row) : '';
    return images.find((i) => (images.length > 1 ? name !== '' : true) && isRowOf(i, name)) ?? null;
  }
}
