import { useEffect } from 'react';
import type { Dataset, Histogram } from '../api/types';
import { autoLimits } from './contrast';
import type { ViewerStore } from './store';

interface Actions {
  snapshot(): void;
  histograms: (Histogram | undefined)[];
}

function act(e: KeyboardEvent, store: ViewerStore, d: Dataset, { snapshot, histograms }: Actions): boolean {
  const s = store.getState();
  const many = e.shiftKey ? 10 : 1;
  const toggle = (axis: 'z' | 't') => s.set({ playing: s.playing === axis ? '' : axis });
  const keys: Record<string, () => void> = {
    ArrowRight: () => s.step('z', many), ArrowLeft: () => s.step('z', -many), ArrowUp: () => s.step('t', many), ArrowDown: () => s.step('t', -many),
    p: () => toggle('z'), t: () => toggle('t'), f: s.fit, s: snapshot, '+': () => s.zoomBy(1), '=': () => s.zoomBy(1), '-': () => s.zoomBy(-1),
    l: () => s.change({ labels: s.view.labels ? '' : (d.labels[0] ?? '') }),
    a: () => s.change({ channels: s.view.channels.map((c, i) => {
      if (!c.visible || !histograms[i]) return c;
      const [low, high] = autoLimits(histograms[i], d.type);
      return { ...c, low, high, gamma: 1 };
    }) }),
    g: () => document.getElementById('go-to')?.focus(),
  };
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
      if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]')) return;
      // Sliders and fields have their own arrows and letters.
      if (e.target instanceof HTMLElement && e.target.matches('input, select, textarea')) return;
      if (act(e, store, d, actions)) e.preventDefault();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  });
}
