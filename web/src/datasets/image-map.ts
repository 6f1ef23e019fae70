// Which planes of which level are on the SSD, by time point and slice, as the hub counts them.
import { ApiError, get, query } from '../api/client';
import { percent, plural } from '../ui/format';
import { squeezed, sum, type Cell, type Strip } from './residency-map';

export interface LevelCells {
  level: number;
  t: number;
  z: number;
  t_cells: number;
  z_cells: number;
  bytes: (number | null)[]; // the cells of the first time point come first; null: not known
  resident: (number | null)[];
  dirty: (number | null)[];
}

export interface ImageMap {
  complete: boolean;
  levels: LevelCells[];
}

export type Way = 'z' | 't' | 'both';

// Null: this hub counts chunks of an OME-Zarr only.
export async function imageMap(path: string, signal: AbortSignal): Promise<ImageMap | null> {
  try {
    return await get<ImageMap>(`api/residency?${query({ path })}`, signal);
  } catch (e) {
    if (e instanceof ApiError && (e.status === 404 || e.status === 422 || e.status === 501)) return null;
    throw e;
  }
}

// What can be looked at: levels by z, levels by t, and z by t of one level.
export function waysOf({ levels }: ImageMap): Way[] {
  const many = (axis: 't_cells' | 'z_cells') => levels.some((l) => l[axis] > 1);
  return [...(many('z_cells') || !many('t_cells') ? ['z' as const] : []), ...(many('t_cells') ? ['t' as const] : []), ...(many('z_cells') && many('t_cells') ? ['both' as const] : [])];
}

const kUnknown: Cell = { size: 0, resident: 0, dirty: 0 };

export function cellAt(l: LevelCells, t: number, z: number): Cell {
  const at = t * l.z_cells + z;
  const size = l.bytes[at];
  return size === null || size === undefined ? kUnknown : { size, resident: l.resident[at] ?? 0, dirty: l.dirty[at] ?? 0 };
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

function unitOf(l: LevelCells, way: 'z' | 't', cells: number): string {
  if (cells < 2) return '';
  const single = way === 'z' ? 'plane' : 'time point';
  return cells === (way === 'z' ? l.z : l.t) ? single : `group of ${single}s`;
}

// A level as a strip along z, with all of its time points together, or along t.
export function stripOfLevel(l: LevelCells, way: 'z' | 't'): Strip {
  const n = way === 'z' ? l.z_cells : l.t_cells;
  const others = range(way === 'z' ? l.t_cells : l.z_cells);
  const cells = range(n).map((i) => sum(others.map((j) => (way === 'z' ? cellAt(l, j, i) : cellAt(l, i, j)))));
  return { name: `level ${l.level}`, cells: squeezed(cells), unit: unitOf(l, way, n) };
}

const kUnits: Record<string, string> = { 'group of planes': 'groups of planes', 'group of time points': 'groups of time points' };
export const unitsText = (unit: string) => kUnits[unit] ?? `${unit}s`;

// Cells may stand for their neighbours, so a part is known but no sum of bytes.
export function levelText({ name, cells, unit }: Strip): string {
  const all = sum(cells);
  const full = cells.filter((c) => c.size > 0 && c.resident >= c.size).length;
  const whole = all.size > 0 ? `${name}: ${percent(all.resident, all.size)} % on the SSD` : `${name}: not known`;
  return unit && all.size > 0 ? `${whole}, ${full} of ${plural(cells.length, unit, unitsText(unit))} whole` : whole;
}
