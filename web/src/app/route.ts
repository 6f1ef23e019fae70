// The hash is the state of the view: "#/view?path=/a/b&z=3". A link shows what its sender saw.
import { useSyncExternalStore } from 'react';
import { nameOf, shown } from '../api/paths';

export interface Route {
  page: string;
  query: URLSearchParams;
}

export function parseHash(hash: string): Route {
  const text = hash.replace(/^#\/?/, '');
  const cut = text.indexOf('?');
  return {
    page: (cut < 0 ? text : text.slice(0, cut)).replace(/\/+$/, '') || 'data',
    query: new URLSearchParams(cut < 0 ? '' : text.slice(cut + 1)),
  };
}

// What a browser shows in its tab, and a screen reader says first.
export function titleOf({ page, query }: Route): string {
  const name = shown(nameOf(query.get('path') ?? ''));
  const titles: Record<string, string> = { data: name || 'Datasets', view: name, find: `“${query.get('name') ?? ''}”`, run: 'New run', runs: query.get('run') || 'Runs', system: 'System' };
  return titles[page] ? `${titles[page]} · TierHub` : 'TierHub';
}

// Slashes, commas and colons stay as they are, so that people can read a link and edit it.
const escape = (text: string) => encodeURIComponent(text).replace(/%(2F|2C|3A|40)/gi, (c) => decodeURIComponent(c));

export function formatHash(page: string, query: Record<string, string | number | undefined> = {}): string {
  const parts = Object.entries(query).filter(([, v]) => v !== undefined && v !== '');
  return `#/${page}${parts.length ? '?' : ''}${parts.map(([k, v]) => `${k}=${escape(String(v))}`).join('&')}`;
}

const listeners = new Set<() => void>();
const notify = () => listeners.forEach((f) => f());
if (typeof window !== 'undefined') window.addEventListener('hashchange', notify);

function subscribe(f: () => void): () => void {
  listeners.add(f);
  return () => listeners.delete(f);
}

export const useHash = () => useSyncExternalStore(subscribe, () => window.location.hash);

// A new place: "back" returns to the one before.
export function go(hash: string): void {
  if (window.location.hash !== hash) window.location.hash = hash;
}

// The same place, looked at differently: no entry in the history. replaceState fires no hashchange.
export function replaceHash(hash: string): void {
  if (window.location.hash === hash) return;
  window.history.replaceState(window.history.state, '', hash);
  notify();
}

export const folderLink = (path: string) => formatHash('data', { path: path === '/' ? undefined : path });
// Over the image: labels (a name in it, or a path) and the run that made them, the table of their objects, one of them.
export const viewLink = (path: string, over: { t?: number; labels?: string; run?: string; table?: string; object?: number } = {}) => formatHash('view', { path, ...over });
// A plate, with one of its wells chosen.
export const plateLink = (path: string, well = '') => formatHash('view', { path, well: well || undefined });
// Names like these, in all folders below a path.
export const findLink = (name: string, path: string) => formatHash('find', { name, path: path === '/' ? undefined : path });
export const runLink = (run: string, tab?: string, more: { file?: string; find?: string } = {}) => formatHash('runs', { run, tab, ...more });
// Waits for the run of a job that has just been submitted.
export const jobLink = (job: string) => formatHash('runs', { job });
// The form of a new run. `channel` is an index.
export const newRunLink = (given: { workflow?: string; dataset?: string; channel?: number; from?: string } = {}) => formatHash('run', given);
