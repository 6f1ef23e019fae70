// The state of one open image.
import { create, type StoreApi, type UseBoundStore } from 'zustand';
import { fitCamera, kMostChannels, limitVolume, shapeOf, type Camera, type ChannelView, type View, type Volume } from './view';
import type { Dataset } from '../api/types';

export interface Pointer {
  x: number;
  y: number;
}

export interface ViewerState {
  view: View;
  plain: boolean; // without WebGL: the hub renders
  width: number;
  height: number;
  pointer: Pointer | null;
  cold: { tiles: number; readyAt: number; reason: string };
  error: string;
  playing: '' | 'z' | 't';
  loaded: boolean; // all tiles of the plane that is wanted are here
  measuring: boolean; // clicks set the ends of a line
  draft: Pointer | null; // its first end
  standIn: string; // what is drawn while nothing of the wanted plane has arrived: "plane 5"
  set(change: Partial<ViewerState>): void;
  change(view: Partial<View>): void;
  channel(index: number, change: Partial<ChannelView>): void;
  step(axis: 'z' | 't', by: number, wrap?: boolean): void;
  zoomBy(by: number): void;
  fit(): void;
  look(change: Partial<Volume>): void; // at the volume
}

export type ViewerStore = UseBoundStore<StoreApi<ViewerState>>;

// What can be seen of a view without WebGL.
const plainView = (view: View): View => (view.projection || view.volume ? { ...view, projection: null, volume: null } : view);

export function createViewer(dataset: Dataset, given: View, plain = false): ViewerStore {
  const view = plain ? plainView(given) : given;
  const shape = shapeOf(dataset);
  return create<ViewerState>((set, get) => ({
    view,
    plain,
    width: 0,
    height: 0,
    pointer: null,
    cold: { tiles: 0, readyAt: 0, reason: '' },
    error: '',
    playing: '',
    loaded: false,
    measuring: false,
    draft: null,
    standIn: '',
    set,
    change: (change) => set((s) => ({ view: plain ? plainView({ ...s.view, ...change }) : { ...s.view, ...change } })),
    channel(index, change) {
      const { channels } = get().view;
      if (change.visible && channels.filter((c) => c.visible).length >= kMostChannels && !channels[index]?.visible) return;
      get().change({ channels: channels.map((c, i) => (i === index ? { ...c, ...change } : c)) });
    },
    step(axis, by, wrap = false) {
      const top = shape[axis];
      const next = get().view[axis] + by;
      get().change({ [axis]: wrap ? ((next % top) + top) % top : Math.min(top - 1, Math.max(0, next)) });
    },
    zoomBy(by) {
      const { volume } = get().view;
      if (volume) return get().look({ zoom: volume.zoom + by });
      const c = cameraOf(get(), dataset);
      get().change({ camera: { ...c, zoom: Math.min(6, Math.max(-16, c.zoom + by)) } });
    },
    fit: () => (get().view.volume ? get().look({ zoom: 0, pan: [0, 0, 0] }) : get().change({ camera: null })),
    look(change) {
      const { volume } = get().view;
      if (volume) get().change({ volume: limitVolume({ ...volume, ...change }) });
    },
  }));
}

export function cameraOf(s: Pick<ViewerState, 'view' | 'width' | 'height'>, d: Dataset): Camera {
  return s.view.camera ?? fitCamera(shapeOf(d), s.width, s.height);
}

// The inverse of pixelAt.
export function screenAt(s: Pick<ViewerState, 'view' | 'width' | 'height'>, d: Dataset, x: number, y: number): Pointer {
  const c = cameraOf(s, d);
  const scale = 2 ** c.zoom;
  return { x: (x - c.x) * scale + s.width / 2, y: (y - c.y) * scale + s.height / 2 };
}

export function pixelAt(s: Pick<ViewerState, 'view' | 'width' | 'height'>, d: Dataset, px: number, py: number): Pointer {
  const c = cameraOf(s, d);
  const scale = 2 ** c.zoom;
  return { x: c.x + (px - s.width / 2) / scale, y: c.y + (py - s.height / 2) / scale };
}
