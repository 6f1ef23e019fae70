// Which parts of a dataset are on the SSD: planes of each level of an OME-Zarr, files of a folder, bytes of a file.
import { get, query } from '../api/client';
import { nameOf } from '../api/paths';
import type { Entry, Listing } from '../api/types';

export interface Cell {
  size: number;
  resident: number;
  dirty: number;
}

export interface Strip {
  name: string;
  cells: Cell[];
  unit: string; // what a cell is: "plane", "time point", "file", …; "": the whole
}

const kPage = 10_000;
const kMostEntries = 20_000; // of one level; beyond that its sum has to do
const kMostCells = 400;

interface FileResidency {
  size: number;
  dirty: number;
  ranges: { begin: number; end: number }[];
}

export function sum(cells: Cell[]): Cell {
  return cells.reduce((a, c) => ({ size: a.size + c.size, resident: a.resident + c.resident, dirty: a.dirty + c.dirty }), { size: 0, resident: 0, dirty: 0 });
}

// Neighbours together, where there are more cells than anyone can see.
export function squeezed(cells: Cell[], most = kMostCells): Cell[] {
  if (cells.length <= most) return cells;
  return Array.from({ length: most }, (_, i) => sum(cells.slice(Math.floor((i * cells.length) / most), Math.floor(((i + 1) * cells.length) / most))));
}

// The indices of a chunk: "c/0/1/12/3/4" and "0.1.12.3.4"; null: the file is none.
export function chunkIndex(name: string, axes: string): number[] | null {
  const parts = name.replace(/^c[/.]/, '').split(/[/.]/);
  return parts.length === axes.length && parts.every((p) => /^\d+$/.test(p)) ? parts.map(Number) : null;
}

const kUnits: Record<string, string> = { z: 'plane', t: 'time point', c: 'channel' };

export function stripOfChunks(name: string, folder: string, axes: string, along: string, files: Entry[]): Strip {
  const axis = axes.indexOf(along);
  const cells: Cell[] = [];
  for (const f of files) {
    const index = chunkIndex(f.path.slice(folder.length + 1), axes)?.[axis];
    if (index === undefined) continue;
    cells[index] = sum([cells[index] ?? { size: 0, resident: 0, dirty: 0 }, f]);
  }
  return { name, cells: squeezed(Array.from(cells, (c) => c ?? { size: 0, resident: 0, dirty: 0 })), unit: cells.length > 1 ? (kUnits[along] ?? '') : '' };
}

export function stripOfBytes(name: string, r: FileResidency, most = 200): Strip {
  if (!(r.size > 0)) return { name, cells: [], unit: '' };
  const each = r.size / most;
  const cells = Array.from({ length: most }, (): Cell => ({ size: each, resident: 0, dirty: 0 }));
  for (const { begin, end } of r.ranges)
    for (let i = Math.floor(begin / each); i < most && i * each < end; i++) cells[i]!.resident += Math.max(0, Math.min(end, (i + 1) * each) - Math.max(begin, i * each));
  return { name, cells, unit: '' };
}

async function filesBelow(path: string, signal: AbortSignal): Promise<Entry[] | null> {
  const out: Entry[] = [];
  for (let after = ''; ; ) {
    const page = await get<Listing>(`api/v1/ls?${query({ path, recursive: 'true', limit: kPage, ...(after ? { after } : {}) })}`, signal);
    out.push(...page.entries.filter((e) => e.kind === 'file'));
    after = page.next;
    if (!after) return out;
    if (out.length >= kMostEntries) return null;
  }
}

// Axes as "tczyx"; "" for what is no OME-Zarr.
export async function residencyMap(path: string, isFolder: boolean, axes: string, signal: AbortSignal): Promise<Strip[]> {
  if (!isFolder) return [stripOfBytes(nameOf(path), await get<FileResidency>(`api/v1/residency?${query({ path, limit: kPage })}`, signal))];
  const folder = await get<Listing>(`api/v1/ls?${query({ path, totals: 'true', limit: kPage })}`, signal);
  const levels = axes ? folder.entries.filter((e) => e.kind === 'directory' && /^\d+$/.test(nameOf(e.path))).sort((a, b) => Number(nameOf(a.path)) - Number(nameOf(b.path))) : [];
  if (!levels.length) {
    const files = (await filesBelow(path, signal)) ?? folder.entries;
    return [{ name: 'files', cells: squeezed(files), unit: 'file' }];
  }
  const along = axes.includes('z') ? 'z' : axes.includes('t') ? 't' : 'c';
  return Promise.all(levels.map(async (level) => {
    const files = await filesBelow(level.path, signal);
    const strip = files && stripOfChunks(`level ${nameOf(level.path)}`, level.path, axes, along, files);
    return strip?.cells.length ? strip : { name: `level ${nameOf(level.path)}`, cells: [level], unit: '' };
  }));
}
