// One list out of three answers: the names of a folder, the sums below them, and its images.
import { nameOf, shown } from '../api/paths';
import type { Dataset, Entry, State } from '../api/types';

export type Kind = 'folder' | 'dataset' | 'file';

export interface Row {
  path: string;
  name: string;
  kind: Kind;
  state: State | null;
  size: number | null;
  resident: number | null;
  dirty: number;
  mtime: string;
  files: number;
  writing: boolean;
  pins: string[];
  dataset: Dataset | null;
}

function fromEntry(entry: Entry, sums: Entry | undefined, dataset: Dataset | undefined): Row {
  const isFolder = entry.kind === 'directory';
  // A folder's own numbers are zero: only its sums say something.
  const known = isFolder ? (sums?.state ? sums : null) : entry;
  const row: Row = {
    path: entry.path,
    name: shown(nameOf(entry.path)),
    kind: dataset ? 'dataset' : isFolder ? 'folder' : 'file',
    state: known?.state ?? null,
    size: known?.size ?? null,
    resident: known?.resident ?? null,
    dirty: known?.dirty ?? 0,
    mtime: entry.mtime,
    files: sums?.files ?? 0,
    writing: entry.writing,
    pins: entry.pins,
    dataset: dataset ?? null,
  };
  if (dataset && row.size === null) Object.assign(row, { state: dataset.state, size: dataset.size, resident: dataset.resident });
  return row;
}

function fromDataset(dataset: Dataset): Row {
  return {
    path: dataset.path, name: shown(dataset.name || nameOf(dataset.path)), kind: 'dataset', state: dataset.state,
    size: dataset.size, resident: dataset.resident, dirty: 0, mtime: '', files: 0, writing: false, pins: [], dataset,
  };
}

export function mergeRows(entries: Entry[], totals: Entry[], datasets: Dataset[]): Row[] {
  const sums = new Map(totals.map((e) => [e.path, e]));
  const images = new Map(datasets.map((d) => [d.path, d]));
  const rows = entries.map((e) => fromEntry(e, sums.get(e.path), images.get(e.path)));
  const listed = new Set(entries.map((e) => e.path));
  // An image need not be a name of this folder: a plate has its fields further down.
  for (const d of datasets) if (!listed.has(d.path)) rows.push(fromDataset(d));
  return rows;
}

export type SortKey = 'name' | 'state' | 'size' | 'mtime';
export interface Sort {
  key: SortKey;
  down: boolean;
}

const kOrder: Record<string, number> = { dirty: 0, hot: 1, partial: 2, cold: 3, '': 4 };
const names = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

export function arrange(rows: Row[], sort: Sort, filter: string): Row[] {
  const wanted = filter.trim().toLowerCase();
  const kept = wanted ? rows.filter((r) => r.name.toLowerCase().includes(wanted)) : [...rows];
  const compare: Record<SortKey, (a: Row, b: Row) => number> = {
    name: (a, b) => Number(a.kind !== 'folder') - Number(b.kind !== 'folder') || names.compare(a.name, b.name),
    state: (a, b) => (kOrder[a.state ?? ''] ?? 4) - (kOrder[b.state ?? ''] ?? 4) || names.compare(a.name, b.name),
    size: (a, b) => (a.size ?? -1) - (b.size ?? -1) || names.compare(a.name, b.name),
    mtime: (a, b) => (a.mtime < b.mtime ? -1 : a.mtime > b.mtime ? 1 : names.compare(a.name, b.name)),
  };
  kept.sort(compare[sort.key]);
  if (sort.down) kept.reverse();
  return kept;
}

// "t 12 · c 2 · 1024 × 1024": counts first, then the plane.
export function shapeText(d: Dataset): string {
  const { t = 1, c = 1, z = 1, y = 0, x = 0 } = d.shape;
  const parts = [`${x} × ${y}${z > 1 ? ` × ${z}` : ''}`];
  if (c > 1) parts.push(`${c} channels`);
  if (t > 1) parts.push(`${t} time points`);
  return parts.join(' · ');
}
