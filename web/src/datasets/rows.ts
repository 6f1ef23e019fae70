// One list out of three answers: the names of a folder, the sums below them, and its images.
import { joinPath, nameOf, parentOf, shown } from '../api/paths';
import { isReadable, type Entry, type Listed, type State, type Unreadable } from '../api/types';

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
  images: number; // of a folder, as far as they were searched
  writing: boolean;
  pins: string[];
  dataset: Listed | null;
  plate: boolean; // wells of images: opens as a grid
  error: string; // why nothing is known about what is in it; a kind of `dataset` can be opened all the same
}

// It is a set of images, and not one that was not read.
const isPlateRow = (image: Listed | Unreadable | undefined) => Boolean(image && 'is_plate' in image && image.is_plate);

function kindOf(image: Listed | Unreadable | undefined): Kind | undefined {
  if (!image) return undefined;
  if (isPlateRow(image)) return 'dataset';
  return isReadable(image) || !image.not_decodable ? 'dataset' : 'file';
}

// Until the images of the folder are known, a name has to do: a click opens the picture, not the folders in it.
const isZarr = (path: string) => /\.zarr$/i.test(path);

function fromEntry(entry: Entry, sums: Entry | undefined, image: Listed | Unreadable | undefined, areImagesKnown: boolean): Row {
  const dataset = image && isReadable(image) ? image : null;
  const isFolder = entry.kind === 'directory';
  // A folder's own numbers are zero: only its sums say something.
  const known = isFolder ? (sums?.state ? sums : null) : entry;
  const row: Row = {
    path: entry.path,
    name: shown(nameOf(entry.path)),
    kind: kindOf(image) ?? (!isFolder ? 'file' : !areImagesKnown && isZarr(entry.path) ? 'dataset' : 'folder'),
    state: known?.state ?? null,
    size: known?.size ?? null,
    resident: known?.resident ?? null,
    dirty: known?.dirty ?? 0,
    mtime: entry.mtime,
    files: sums?.files ?? 0,
    images: 0,
    writing: entry.writing,
    pins: entry.pins,
    dataset,
    plate: isPlateRow(image),
    error: image && !isReadable(image) && !isPlateRow(image) ? image.error : '',
  };
  if (image && row.size === null) Object.assign(row, { state: image.state, size: image.size, resident: image.resident });
  return row;
}

function fromImage(image: Listed | Unreadable): Row {
  const dataset = isReadable(image) ? image : null;
  return {
    path: image.path, name: shown(image.name || nameOf(image.path)), kind: kindOf(image) ?? 'file', state: image.state,
    size: image.size, resident: image.resident, dirty: dataset?.dirty ?? 0, mtime: '', files: 0, images: 0, writing: false, pins: [],
    dataset, plate: isPlateRow(image), error: dataset || isPlateRow(image) ? '' : (image as Unreadable).error,
  };
}

function folderOf(path: string): Row {
  return {
    path, name: shown(nameOf(path)), kind: 'folder', state: null, size: null, resident: null, dirty: 0, mtime: '', files: 0, images: 0, writing: false, pins: [],
    dataset: null, plate: false, error: '',
  };
}

// `found` is undefined until the images are known.
export function mergeRows(folder: string, entries: Entry[], totals: Entry[], found: (Listed | Unreadable)[] | undefined): Row[] {
  const datasets = found ?? [];
  const sums = new Map(totals.map((e) => [e.path, e]));
  const images = new Map(datasets.map((d) => [d.path, d]));
  const rows = entries.map((e) => fromEntry(e, sums.get(e.path), images.get(e.path), found !== undefined));
  const byPath = new Map(rows.map((r) => [r.path, r]));
  const add = (row: Row) => {
    byPath.set(row.path, row);
    rows.push(row);
    return row;
  };
  for (const d of datasets) {
    if (byPath.has(d.path)) continue;
    // A series of files is named by its pattern, and a folder may be an image itself.
    if (d.path === folder || parentOf(d.path) === folder) {
      add(fromImage(d));
      continue;
    }
    // Images further down are in a folder of this one; without tierd they are all that is known of it.
    const below = joinPath(folder, d.path.slice(folder === '/' ? 1 : folder.length + 1).split('/')[0]!);
    (byPath.get(below) ?? add(folderOf(below))).images++;
  }
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
export function shapeText(d: Pick<Listed, 'shape'>): string {
  const { t = 1, c = 1, z = 1, y = 0, x = 0 } = d.shape;
  const parts = [`${x} × ${y}${z > 1 ? ` × ${z}` : ''}`];
  if (c > 1) parts.push(`${c} channels`);
  if (t > 1) parts.push(`${t} time points`);
  return parts.join(' · ');
}
