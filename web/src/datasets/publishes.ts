// What is being sent to the archive because somebody asked for it. It is followed for as long as the page is open.
import { create } from 'zustand';
import { ApiError, change, get, sentence } from '../api/client';
import { shown } from '../api/paths';
import type { PublishProgress } from '../api/types';
import { bytes, plural } from '../ui/format';

export interface Publish {
  id: number;
  label: string;
  progress: PublishProgress;
}

interface Publishes {
  list: Publish[];
  hide(id: number): void; // the publish goes on; nobody looks at it any more
}

export const usePublishes = create<Publishes>((set) => ({
  list: [],
  hide: (id) => set((s) => ({ list: s.list.filter((p) => p.id !== id) })),
}));

export function publishText({ pending_bytes: left, pending_keys: keys, published_bytes: sent, waiting }: PublishProgress): string {
  const done = `${bytes(sent)} of ${bytes(sent + left)} in the archive`;
  const one = waiting[0];
  if (!one) return `${done}, ${plural(keys, 'change')} left`;
  return `${done} · ${shown(one.path)}: ${one.reason}${waiting.length > 1 ? `, and ${plural(waiting.length - 1, 'other')}` : ''}`;
}

export function publishReceipt(label: string, { published_files: files, published_bytes: sent }: PublishProgress): string {
  return files ? `${label}: ${plural(files, 'file')} (${bytes(sent)}) sent. The archive has all of it.` : `${label}: the archive has all of it already.`;
}

const pause = (ms: number) => new Promise((later) => setTimeout(later, ms));

// Returns the receipt; null if somebody has hidden it. Throws an ApiError if it cannot be followed any more.
export async function publish(paths: string[], label: string): Promise<string | null> {
  let progress = await change<PublishProgress>('POST', 'api/v1/publish', { paths });
  const { id } = progress;
  usePublishes.setState((s) => ({ list: [...s.list, { id, label, progress }] }));
  try {
    while (!progress.done) {
      if (!usePublishes.getState().list.some((p) => p.id === id)) return null;
      await pause(progress.waiting.length ? 2000 : 300);
      try {
        progress = await get<PublishProgress>(`api/v1/publish/${id}?wait_ms=400`);
      } catch (e) {
        // The hub may come back; a publish that tierd has forgotten does not.
        if (e instanceof ApiError && e.status >= 400 && e.status < 500) throw new Error(`${label}: it is not known whether everything is in the archive. ${sentence(e)}`);
        await pause(2000);
      }
      usePublishes.setState((s) => ({ list: s.list.map((p) => (p.id === id ? { ...p, progress } : p)) }));
    }
    return publishReceipt(label, progress);
  } finally {
    usePublishes.getState().hide(id);
  }
}
