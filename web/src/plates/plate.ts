// A plate: wells in rows and columns, each with one or several fields, which are images.
import { joinPath, nameOf } from '../api/paths';

export interface Field {
  path: string; // "A/1/0", relative to the plate
  acquisition?: number | string;
}

export interface Well {
  path: string; // "A/1"; "": the plate is a single well
  row: number; // indices of `rows` and `columns`
  column: number;
  fields: Field[];
  error?: string; // why its fields are not known
}

export interface Plate {
  name: string;
  rows: string[];
  columns: string[];
  wells: Well[];
  acquisitions?: { id: number | string; name?: string }[];
}

export const isPlate = (plate: unknown): plate is Plate => typeof plate === 'object' && plate !== null && Array.isArray((plate as Plate).wells);

// Of something in the plate; "" is the plate itself.
export const within = (folder: string, path: string) => (path ? joinPath(folder, path) : folder);

export const wellName = (plate: Plate, { row, column, path }: Well) => (plate.rows[row] === undefined || plate.columns[column] === undefined ? nameOf(path) || path || plate.name || 'Well' : `${plate.rows[row]}${plate.columns[column]}`);

// Row by row, as one reads.
export function inOrder(plate: Plate): Well[] {
  return [...plate.wells].sort((a, b) => a.row - b.row || a.column - b.column);
}

// wells[row][column]
export function asGrid(plate: Plate): (Well | undefined)[][] {
  const grid: (Well | undefined)[][] = plate.rows.map(() => []);
  for (const well of plate.wells) if (grid[well.row]) grid[well.row]![well.column] = well;
  return grid;
}

// The next well that there is in a direction; wells that were not imaged are skipped. The same one at the edge.
export function neighbour(plate: Plate, from: Well, dx: number, dy: number): Well {
  const grid = asGrid(plate);
  let [row, column] = [from.row, from.column];
  for (;;) {
    row += dy;
    column += dx;
    if (row < 0 || column < 0 || row >= plate.rows.length || column >= plate.columns.length) return from;
    const found = grid[row]?.[column];
    if (found) return found;
  }
}

export interface Place {
  well: Well;
  field: number; // its index
}

// Where a field is, by its path in the namespace.
export function placeOf(plate: Plate, folder: string, path: string): Place | null {
  const inside = path.startsWith(folder + '/') ? path.slice(folder.length + 1) : '';
  for (const well of plate.wells) {
    const field = well.fields.findIndex((f) => f.path === inside);
    if (field >= 0) return { well, field };
  }
  return null;
}

const fieldPath = (folder: string, well: Well, field: number) => within(folder, well.fields[field]!.path);

// The same field of the next well that has fields, or of the one before; null: there is none.
export function otherWell(plate: Plate, folder: string, at: Place, by: 1 | -1): string | null {
  const wells = inOrder(plate).filter((w) => w.fields.length);
  const next = wells[wells.findIndex((w) => w.path === at.well.path) + by];
  return next ? fieldPath(folder, next, Math.min(at.field, next.fields.length - 1)) : null;
}

export function otherField(folder: string, at: Place, by: 1 | -1): string | null {
  return at.well.fields[at.field + by] ? fieldPath(folder, at.well, at.field + by) : null;
}
