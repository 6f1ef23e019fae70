// What an image needs is loaded before somebody opens one: the viewer when a list of images is there, and the description
// of an image when the pointer rests on its link.
import type { QueryClient } from '@tanstack/react-query';
import { datasetQuery } from '../api/queries';
import type { Listed } from '../api/types';
import { firstVisible, shapeOf } from '../viewer/view';
import { parseHash } from './route';

const kRestMs = 80; // a pointer that passes over a list opens nothing

type Viewer = typeof import('../viewer/page');
let viewer: Viewer | null = null;

// The viewer brings deck.gl: a page without images does not wait for it.
export async function loadViewer(): Promise<Viewer> {
  viewer = await import('../viewer/page');
  return viewer;
}
export const loadedViewer = () => viewer;

// When the browser has nothing else to do, for images like this one. Returns a function that gives it up.
export function loadViewerWhenIdle(like: Pick<Listed, 'shape' | 'type'> | undefined): () => void {
  const channels = shapeOf({ shape: like?.shape ?? {} }).c;
  let given = false;
  const load = async () => {
    try {
      const { warmUp } = await loadViewer();
      if (!given) whenIdle(() => warmUp(firstVisible(channels), like?.type ?? 'uint16'));
    } catch {
      // A later click says why it cannot be loaded.
    }
  };
  const stop = whenIdle(() => void load());
  return () => {
    given = true;
    stop();
  };
}

function whenIdle(work: () => void): () => void {
  if (typeof requestIdleCallback !== 'function') {
    const timer = setTimeout(work, 200);
    return () => clearTimeout(timer);
  }
  const idle = requestIdleCallback(work, { timeout: 2000 });
  return () => cancelIdleCallback(idle);
}

// The path of the image that an element links to; null: it is no link to one.
export function imageOfLink(element: Element | null): string | null {
  const hash = element?.closest('a[href*="#/view?"]')?.getAttribute('href') ?? '';
  const { page, query } = parseHash(hash.slice(hash.indexOf('#')));
  return page === 'view' ? query.get('path') : null;
}

// Until the answer is called.
export function lookAhead(client: QueryClient, place: HTMLElement | Document = document): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = (path: string) => void client.prefetchQuery({ ...datasetQuery(path), retry: false });
  const pathOf = (e: Event) => (e.target instanceof Element ? imageOfLink(e.target) : null);
  const onOver = (e: Event) => {
    clearTimeout(timer);
    const path = pathOf(e);
    if (path) timer = setTimeout(() => open(path), kRestMs);
  };
  const onDown = (e: Event) => {
    const path = pathOf(e);
    if (!path) return;
    clearTimeout(timer);
    open(path);
  };
  place.addEventListener('pointerover', onOver);
  place.addEventListener('pointerdown', onDown);
  return () => {
    clearTimeout(timer);
    place.removeEventListener('pointerover', onOver);
    place.removeEventListener('pointerdown', onDown);
  };
}
