import { useEffect, useMemo, useRef, useState, type RefObject } from 'react';
import type { Dataset } from '../api/types';
import type { Limits } from '../viewer/contrast';
import type { Picture } from '../viewer/snapshot';
import { levelsOf } from '../viewer/source';
import { cameraOf, type ViewerStore } from '../viewer/store';
import type { Tiles } from '../viewer/tiles';
import { usePicking } from '../viewer/picking';
import { PlainStage } from './stage';

interface Props {
  dataset: Dataset;
  tiles: Tiles;
  store: ViewerStore;
  limits: Limits[];
  settled: boolean; // the limits are those of the image
  picture: RefObject<Picture | null>;
  onPick(x: number, y: number): void;
  onStale(): void;
}

const kSettleMs = 300;
const kPatienceMs = 1500;

// The picture without WebGL. It follows the store by itself.
export default function PlainCanvas({ dataset: d, tiles, store, limits, settled, picture, onPick, onStale }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const stage = useRef<PlainStage | null>(null);
  // Pictures with limits that nobody has chosen would be rendered for nothing; but no histogram stops the picture.
  const [late, setLate] = useState(false);
  const latest = useRef({ limits, ready: false });
  latest.current = { limits, ready: settled || late };
  const picking = usePicking(d, store, onPick);

  const draw = () => {
    const s = store.getState();
    if (s.width > 0 && latest.current.ready) stage.current?.show({ view: s.view, camera: cameraOf(s, d), limits: latest.current.limits, width: s.width });
  };

  useEffect(() => {
    const parent = box.current!;
    const { set, change } = store.getState();
    const made = new PlainStage(parent, d, {
      onCamera: (camera) => change({ camera }),
      onPlane: (loaded, standIn) => {
        const s = store.getState();
        if (s.loaded !== loaded || s.standIn !== standIn) set({ loaded, standIn });
      },
      onCold: (n, etaMs, reason) => set({ cold: { tiles: n, readyAt: Date.now() + etaMs, reason } }),
      onStale,
      onError: (error) => set({ error }),
    });
    stage.current = made;
    picture.current = made;
    const observer = new ResizeObserver(([entry]) => set({ width: entry!.contentRect.width, height: entry!.contentRect.height }));
    observer.observe(parent);
    const stop = store.subscribe((now, before) => {
      if (now.view !== before.view || now.width !== before.width || now.height !== before.height) draw();
    });
    draw();
    return () => {
      stop();
      observer.disconnect();
      made.finish();
      stage.current = null;
      picture.current = null;
    };
  }, [d, store, picture]);

  useEffect(() => {
    const timer = setTimeout(() => setLate(true), kPatienceMs);
    return () => clearTimeout(timer);
  }, []);
  useEffect(draw, [limits, settled, late]);
  useValues(d, tiles, store);

  return <div ref={box} className="canvas" role="img" aria-label={`Image ${d.name}. Arrow keys step through planes, with Ctrl they move the picture.`} {...picking} />;
}

// The values under the pointer and along a line are those of the coarsest level: one tile of numbers for each plane.
function useValues(d: Dataset, tiles: Tiles, store: ViewerStore): void {
  const t = store((s) => s.view.t);
  const z = store((s) => s.view.z);
  const shown = store((s) => s.view.channels.flatMap((c, i) => (c.visible ? [i] : [])).join(','));
  const coarsest = useMemo(() => levelsOf(tiles).at(-1)!, [tiles]);
  const [, arrived] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      const jobs = shown.split(',').filter(Boolean).map((c) => coarsest.getRaster({ selection: { t, z, c: Number(c) }, signal: stop.signal }));
      Promise.all(jobs).then(() => arrived((n) => n + 1), () => {}); // no longer wanted, or said by Tiles
    }, kSettleMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [d, coarsest, t, z, shown]);
}
