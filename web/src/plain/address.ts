// The address of a tile that the hub renders: with channels, colours and contrast in it.
import { encodePath } from '../api/paths';
import type { Dataset } from '../api/types';
import type { Limits } from '../viewer/contrast';
import type { Place } from '../viewer/tiles';
import type { ChannelView } from '../viewer/view';

// What makes one picture another one, "c=0,2&colors=00ff00,ff00ff&…"; "" if no channel is shown.
export function lookOf(channels: ChannelView[], limits: Limits[]): string {
  const shown = channels.flatMap((c, i) => (c.visible ? [{ ...c, index: i, limits: limits[i]! }] : []));
  if (!shown.length) return '';
  const list = (name: string, of: (c: (typeof shown)[number]) => string | number) => `${name}=${shown.map(of).join(',')}`;
  return [list('c', (c) => c.index), list('colors', (c) => c.colour), list('min', (c) => c.limits[0]), list('max', (c) => c.limits[1]), list('gamma', (c) => c.gamma)].join('&');
}

export function pngAddress(d: Pick<Dataset, 'path' | 'version'>, { level, t, z, y, x }: Place, look: string): string {
  return `png/${encodeURIComponent(d.version)}${encodePath(d.path)}/${level}/${t}/${z}/${y}/${x}?${look}`;
}
