// The plane that comes next, in the way in which somebody steps through a stack, is asked for when the one that is seen is
// complete. It is given up when somebody goes elsewhere.
import type { Dataset } from '../api/types';
import type { ViewerStore } from './store';
import type { Tiles } from './tiles';
import { shapeOf } from './view';

// `isHere`: whether the whole image is on the SSD. Nothing is fetched from the archive because somebody might look at it.
export function lookAheadInDepth(store: ViewerStore, d: Dataset, tiles: Tiles, isHere: () => boolean): () => void {
  const depth = shapeOf(d).z;
  let way = 0;
  let asked: { t: number; z: number; stop: AbortController } | null = null;
  const giveUp = () => {
    asked?.stop.abort();
    asked = null;
  };
  const unsubscribe = store.subscribe((now, before) => {
    const { view } = now;
    if (view.t !== before.view.t) way = 0;
    else if (view.z !== before.view.z) way = Math.sign(view.z - before.view.z);
    const isElsewhere = view.t !== before.view.t || view.z !== before.view.z || view.volume !== before.view.volume || view.projection !== before.view.projection;
    if (isElsewhere && asked && (asked.t !== view.t || asked.z !== view.z)) giveUp();
    if (!now.loaded || before.loaded || !way || view.volume || view.projection || !isHere()) return;
    const z = view.z + way;
    if (z < 0 || z >= depth || asked?.z === z) return;
    giveUp();
    asked = { t: view.t, z, stop: new AbortController() };
    tiles.ahead(view.t, view.z, z, view.channels.flatMap((c, i) => (c.visible ? [i] : [])), asked.stop.signal);
  });
  return () => {
    unsubscribe();
    giveUp();
  };
}
