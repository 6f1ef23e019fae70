import { useEffect } from 'react';
import type { Dataset, Histogram } from '../api/types';
import { autoLimits } from './contrast';
import { cameraOf, type ViewerState, type ViewerStore } from './store';
import { kFirstVolume, shapeOf, type Line, type Projection, type Volume } from './view';

interface Actions {
  snapshot(): void;
  histograms: (Histogram | undefined)[];
  labels: string; // the first that can be shown
}

const kPans: Record<string, [x: number, y: number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// One plane, the maximum of all, their mean.
export function nextProjection(now: Projection | null, depth: number): Projection | null {
  if (depth < 2) return null;
  if (!now) return { how: 'max', first: 0, last: depth - 1 };
  return now.how === 'max' ? { ...now, how: 'mean' } : null;
}

// Across the middle half of what is seen.
function middleLine(s: ViewerState, d: Dataset): Line {
  const { x, y, zoom } = cameraOf(s, d);
  const half = s.width / 4 / 2 ** zoom;
  return { x1: x - half, y1: y, x2: x + half, y2: y };
}

// A quarter of what is seen.
function pan(s: ViewerState, d: Dataset, dx: number, dy: number): void {
  const camera = cameraOf(s, d);
  const scale = 2 ** camera.zoom;
  s.change({ camera: { ...camera, x: camera.x + (dx * s.width) / 4 / scale, y: camera.y + (dy * s.height) / 4 / scale } });
}

const kTurnDegrees = 10;

// Arrows turn a volume; with Ctrl they move it.
function turn(s: ViewerState, dx: number, dy: number, many: number, move: boolean): void {
  const v = s.view.volume!;
  if (!move) return s.look({ turn: v.turn + dx * kTurnDegrees * many, pitch: v.pitch + dy * kTurnDegrees * many });
  const [sin, cos] = [Math.sin, Math.cos].map((f) => [v.turn, v.pitch].map((a) => f((a * Math.PI) / 180)) as [number, number]);
  // To the right and up, as they are on the screen.
  const right = [cos![0], 0, sin![0]];
  const up = [sin![1] * sin![0], cos![1], -sin![1] * cos![0]];
  const step = 0.1 / 2 ** v.zoom;
  return s.look({ pan: v.pan.map((n, i) => n + step * (dx * right[i]! - dy * up[i]!)) as Volume['pan'] });
}

function act(e: KeyboardEvent, store: ViewerStore, d: Dataset, { snapshot, histograms, labels }: Actions): boolean {
  const s = store.getState();
  const many = e.shiftKey ? 10 : 1;
  if (s.view.volume && 'xomgp'.includes(e.key.toLowerCase())) return false; // these are about planes
  const toggle = (axis: 'z' | 't') => s.set({ playing: s.playing === axis ? '' : axis });
  const keys: Record<string, () => void> = {
    ArrowRight: () => s.step('z', many), ArrowLeft: () => s.step('z', -many), ArrowUp: () => s.step('t', many), ArrowDown: () => s.step('t', -many),
    p: () => toggle('z'), t: () => toggle('t'), f: s.fit, s: snapshot, '+': () => s.zoomBy(1), '=': () => s.zoomBy(1), '-': () => s.zoomBy(-1),
    l: () => s.change({ labels: s.view.labels ? '' : labels }),
    o: () => s.change({ slices: !s.view.slices && shapeOf(d).z > 1 }),
    m: () => s.set({ measuring: !s.measuring, draft: null }),
    Escape: () => (s.measuring ? s.set({ measuring: false, draft: null }) : s.change({ object: 0 })),
    v: () => s.change({ volume: s.view.volume || shapeOf(d).z < 2 ? null : kFirstVolume }),
    x: () => s.change({ projection: nextProjection(s.view.projection, shapeOf(d).z) }),
    a: () => s.change({ channels: s.view.channels.map((c, i) => {
      if (!c.visible || !histograms[i]) return c;
      const [low, high] = autoLimits(histograms[i], d.type);
      return { ...c, low, high, gamma: 1 };
    }) }),
    g: () => document.getElementById('go-to')?.focus(),
  };
  if (e.key === 'Enter' && s.measuring && !s.draft && !(e.target instanceof HTMLElement && e.target.matches('button, a, summary'))) {
    s.change({ line: middleLine(s, d) });
    s.set({ measuring: false });
    return true;
  }
  const channel = /^[1-9]$/.test(e.key) ? s.view.channels[Number(e.key) - 1] : undefined;
  if (channel) s.channel(Number(e.key) - 1, { visible: !channel.visible });
  else if (keys[e.key]) keys[e.key]!();
  else if (keys[e.key.toLowerCase()]) keys[e.key.toLowerCase()]!();
  else return false;
  return true;
}

export function useViewerKeys(store: ViewerStore, d: Dataset, actions: Actions): void {
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.metaKey || e.altKey || document.querySelector('dialog[open]')) return;
      // Sliders and fields have their own arrows and letters.
      if (e.target instanceof HTMLElement && e.target.matches('input, select, textarea')) return;
      const [dx, dy] = kPans[e.key] ?? [];
      const s = store.getState();
      if (s.view.volume && dx !== undefined && dy !== undefined) {
        turn(s, dx, dy, e.shiftKey ? 9 : 1, e.ctrlKey);
        e.preventDefault();
        return;
      }
      if (e.ctrlKey) {
        if (dx === undefined || dy === undefined) return;
        pan(s, d, dx, dy);
        e.preventDefault();
        return;
      }
      if (act(e, store, d, actions)) e.preventDefault();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  });
}
