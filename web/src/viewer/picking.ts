// The pointer over the picture: where it is, and clicks.
import { useRef, type PointerEvent } from 'react';
import type { Dataset } from '../api/types';
import { pixelAt, type ViewerStore } from './store';

const kClickPixels = 4; // a hand is not steady; beyond it one drags

// `onPick` gets pixels of level 0. Listens while the event goes down, because the picture may keep it for itself.
export function usePicking(d: Dataset, store: ViewerStore, onPick: (x: number, y: number) => void) {
  const pressed = useRef<[x: number, y: number] | null>(null);
  const place = (e: PointerEvent<HTMLElement>) => {
    const r = e.currentTarget.getBoundingClientRect();
    return pixelAt(store.getState(), d, e.clientX - r.left, e.clientY - r.top);
  };
  return {
    onPointerMoveCapture: (e: PointerEvent<HTMLElement>) => store.getState().set({ pointer: place(e) }),
    onPointerDownCapture: (e: PointerEvent<HTMLElement>) => { pressed.current = e.button === 0 ? [e.clientX, e.clientY] : null; },
    onPointerUpCapture: (e: PointerEvent<HTMLElement>) => {
      const from = pressed.current;
      pressed.current = null;
      if (!from || Math.hypot(e.clientX - from[0], e.clientY - from[1]) > kClickPixels) return;
      const at = place(e);
      onPick(at.x, at.y);
    },
    onPointerLeave: () => store.getState().set({ pointer: null }),
  };
}
