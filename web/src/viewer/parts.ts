// Label images of a run that are of a part of their image: of one time point, of a block, or of a coarser level.
import type { ResultFile } from '../api/runs';

// As imgop writes it: "level=0,t=3,c=0,z=0:16,y=0:512,x=128:640", in voxels of its level.
export interface Box {
  level: number;
  t: number;
  z: [begin: number, end: number];
  y: [begin: number, end: number];
  x: [begin: number, end: number];
}

export interface Part {
  path: string;
  box: Box | null; // null: nobody says which part, so it is taken for the whole image
}

export function parseBox(text: string | undefined): Box | null {
  const fields = new Map((text ?? '').split(',').map((f) => f.split('=') as [string, string | undefined]));
  const number = (key: string) => Number(fields.get(key) ?? 0);
  const range = (key: string): [number, number] => {
    const [begin, end] = (fields.get(key) ?? '').split(':').map((n) => (n ? Number(n) : NaN));
    return [begin ?? NaN, end ?? NaN];
  };
  const box: Box = { level: number('level'), t: number('t'), z: range('z'), y: range('y'), x: range('x') };
  const fits = [box.level, box.t].every((n) => Number.isInteger(n) && n >= 0) && [box.z, box.y, box.x].every(([b, e]) => b >= 0 && b < e);
  return fits ? box : null;
}

// Steps of a run name their results by numbers: those of the other time points have other ones.
const pattern = (path: string) => path.replace(/\d+/g, '#');

// What the same step of the run has made of the same image.
export function partsOf(files: ResultFile[], image: string, chosen: string): Part[] {
  const mine = files.filter((f) => f.kind === 'labels' && f.of === image && pattern(f.path) === pattern(chosen));
  return mine.map((f) => ({ path: f.path, box: parseBox(f.box) }));
}

const sameField = (a: Box, b: Box) => a.level === b.level && ['z', 'y', 'x'].every((k) => a[k as 'z'][0] === b[k as 'z'][0] && a[k as 'z'][1] === b[k as 'z'][1]);

// The part that is shown at a time point: the chosen one if it is of that time, else the same field at that time.
// Null: there is none.
export function partAt(parts: Part[], chosen: string, t: number): Part | null {
  const first = parts.find((p) => p.path === chosen);
  if (!first?.box) return { path: chosen, box: null };
  const then = [first, ...parts].filter((p) => p.box?.t === t);
  return then.find((p) => sameField(p.box!, first.box!)) ?? then[0] ?? null;
}

// As many blocks as are drawn over each other's sides at once; a plane of a volume rarely has more.
export const kMostBlocks = 64;
// In a volume they are one texture.
export const kMostVolumeBlocks = 512;

// What is shown at a place: the part of that time point as above, and the other blocks of it whose planes have z; null: of
// all planes. Blocks of one field that were made twice are shown once.
export function partsAt(parts: Part[], chosen: string, t: number, z: number | null): Part[] {
  const first = partAt(parts, chosen, t);
  if (!first?.box) return first ? [first] : [];
  const out = [first];
  const most = z === null ? kMostVolumeBlocks : kMostBlocks;
  for (const p of parts) {
    if (out.length >= most) break;
    if (p.box?.t === t && (z === null || (z >= p.box.z[0] && z < p.box.z[1])) && !out.some((o) => sameField(o.box!, p.box!))) out.push(p);
  }
  return out;
}

// From a pixel of the image (level 0) to the pixel of its labels; null: they do not have it.
export function placeIn(box: Box | null, x: number, y: number, z: number): { x: number; y: number; z: number } | null {
  if (!box) return { x, y, z };
  const scale = 2 ** box.level;
  const at = { x: x / scale - box.x[0], y: y / scale - box.y[0], z: z - box.z[0] };
  return at.x >= 0 && at.y >= 0 && at.z >= 0 && x / scale < box.x[1] && y / scale < box.y[1] && z < box.z[1] ? at : null;
}

// "time points 3, 4 and 5": counted from 1, as the slider shows them.
export function timesOf(parts: Part[]): string {
  const times = [...new Set(parts.flatMap((p) => (p.box ? [p.box.t + 1] : [])))].sort((a, b) => a - b);
  if (times.length < 2) return `time point ${times[0] ?? 1}`;
  return times.length > 5 ? `${times.length} time points from ${times[0]} to ${times.at(-1)}` : `time points ${times.slice(0, -1).join(', ')} and ${times.at(-1)}`;
}
