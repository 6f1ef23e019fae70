import { useEffect, useRef, type RefObject } from 'react';
import type { Dataset } from '../api/types';
import type { Limits } from './contrast';
import type { Labels } from './page';
import { usePicking } from './picking';
import { levelsOf } from './source';
import type { Picture } from './snapshot';
import { Stage } from './stage';
import { cameraOf, type ViewerStore } from './store';
import type { Tiles } from './tiles';

interface Props {
  dataset: Dataset;
  tiles: Tiles;
  store: ViewerStore;
  limits: Limits[];
  labels: Labels[];
  labelFill: number;
  stage: RefObject<Picture | null>;
  onPick(x: number, y: number): void; // a click, in pixels of level 0
}

// The picture. It follows the store by itself, so that a move of the mouse renders no React component.
export function Canvas({ dataset, tiles, store, limits, labels, labelFill, stage, onPick }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const latest = useRef({ limits, labels, labelFill });
  latest.current = { limits, labels, labelFill };

  const drawing = useRef<Stage | null>(null);
  const draw = () => {
    const s = store.getState();
    if (s.width > 0) drawing.current?.show({ view: s.view, camera: cameraOf(s, dataset), ...latest.current, width: s.width, height: s.height });
  };
  const picking = usePicking(dataset, store, onPick);

  useEffect(() => {
    const parent = box.current!;
    const { set, change } = store.getState();
    const made = new Stage(parent, dataset, tiles, levelsOf(tiles), {
      onCamera: (camera) => change({ camera }),
      onPlane: (loaded, standIn) => {
        const s = store.getState();
        if (s.loaded !== loaded || s.standIn !== standIn) set({ loaded, standIn });
      },
      onFailure: (error) => set({ error }),
    });
    drawing.current = made;
    stage.current = made;
    const observer = new ResizeObserver(([entry]) => {
      set({ width: entry!.contentRect.width, height: entry!.contentRect.height });
    });
    observer.observe(parent);
    const stop = store.subscribe((now, before) => {
      if (now.view !== before.view || now.width !== before.width || now.height !== before.height) draw();
    });
    draw();
    return () => {
      stop();
      observer.disconnect();
      made.finish();
      drawing.current = null;
      stage.current = null;
      parent.replaceChildren();
    };
    // The image and its store live as long as this component.
  }, [dataset, tiles, store]);

  useEffect(draw, [limits, labels, labelFill]);

  return (
    <div
      ref={box} className="canvas" role="img" aria-label={`Image ${dataset.name}. Arrow keys step through planes, with Ctrl they move the picture.`}
      {...picking}
    />
  );
}
