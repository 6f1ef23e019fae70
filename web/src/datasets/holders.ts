// Why bytes stay on the SSD: who keeps them, and what the archive does not have.
import { get, query } from '../api/client';
import type { Entry, Listing } from '../api/types';

// More files than this are not asked for: the sentence says so.
export const kMostFiles = 5000;

export interface Holder {
  text: string; // "ada: course on Monday", of a pin or a lease
  owner: string;
  files: number;
  bytes: number; // on the SSD
}

export interface Holders {
  holders: Holder[]; // those of the most bytes first
  unpublished: { files: number; bytes: number };
  writing: number; // files that programs have open for writing
  resident: number;
  complete: boolean;
}

// "ada: course" of "1000:ada: course": tierd writes whose it is by number, too.
export function withoutNumber(text: string): string {
  return text.replace(/^\d+:(?=.)/, '');
}

export function holdersOf(entries: Entry[], complete: boolean): Holders {
  const found = new Map<string, Holder>();
  const out: Holders = { holders: [], unpublished: { files: 0, bytes: 0 }, writing: 0, resident: 0, complete };
  for (const e of entries) {
    if (e.kind !== 'file') continue;
    out.resident += e.resident;
    if (e.writing) out.writing++;
    if (e.dirty > 0 || e.state === 'dirty') {
      out.unpublished.files++;
      out.unpublished.bytes += e.dirty;
    }
    for (const text of new Set(e.pins)) {
      const holder = found.get(text) ?? { text, owner: text.split(': ')[0]!, files: 0, bytes: 0 };
      holder.files++;
      holder.bytes += e.resident;
      found.set(text, holder);
    }
  }
  out.holders = [...found.values()].sort((a, b) => b.bytes - a.bytes || b.files - a.files);
  return out;
}

// Of a file, or of all files below a folder.
export async function askHolders(path: string, signal?: AbortSignal): Promise<Holders> {
  const { entries, next } = await get<Listing>(`api/v1/ls?${query({ path, recursive: 'true', limit: kMostFiles })}`, signal);
  return holdersOf(entries, !next);
}
