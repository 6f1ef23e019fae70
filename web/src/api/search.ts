// Searching the whole namespace by name. tierd answers in steps of a fifth of a second, so that the first hits are
// shown before the last ones are found.
import { get, query } from './client';
import type { Entry, Listing } from './types';

export const kMostHits = 500;

export interface Hits {
  entries: Entry[];
  done: boolean; // false: the search goes on, or stopped at kMostHits
}

// Calls `show` with all hits so far after each step. Ends early when `signal` is aborted (with its error).
export async function searchNames(name: string, path: string, show: (hits: Hits) => void, signal: AbortSignal): Promise<void> {
  let entries: Entry[] = [];
  let after = '';
  do {
    const limit = kMostHits - entries.length;
    const step = await get<Listing>(`api/v1/find?${query({ name, path, limit, ...(after ? { after } : {}) })}`, signal);
    entries = [...entries, ...step.entries];
    after = step.next;
    show({ entries, done: !after });
  } while (after && entries.length < kMostHits);
}
