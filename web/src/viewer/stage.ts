// deck.gl's canvas: from the state of the viewer to layers. React does not draw here.
import { Deck, OrthographicView, type Layer } from '@deck.gl/core';
import { Matrix4 } from '@math.gl/core';
import { ImageLayer, MultiscaleImageLayer } from '@vivjs/layers';
import type { Dataset } from '../api/types';
import { ChannelColours } from './colours';
import type { Limits } from './contrast';
import { labelLayer } from './labels';
import type { Box } from './parts';
import { extentOf, ProjectedLevel } from './projection';
import type { Level, Selection } from './source';
import type { Tiles } from './tiles';
import { placeName, type Camera, type View } from './view';

// How long the plane before stays below one whose tiles are on their way, so that a step does not flicker.
const kGraceMs = 250;

interface Plane {
  key: string;
  name: string; // "plane 5"
  selections: Selection[];
  channels: number[];
  levels: Level[]; // the finest that is drawn comes first
  finest: number; // which one that is
  begun: number;
  coarse: boolean; // its coarsest level is drawn
  loaded: boolean;
}

export interface Scene {
  view: View;
  camera: Camera;
  limits: Limits[]; // of every channel
  labels: { path: string; levels: Level[]; box: Box | null }[]; // the chosen object is one of the first ones
  labelFill: number;
  width: number;
  height: number;
}

interface Events {
  onCamera(camera: Camera): void;
  onPlane(loaded: boolean, standIn: string): void;
  onFailure(text: string): void;
}

export const hasWebGl = () => Boolean(document.createElement('canvas').getContext('webgl2'));

export class Stage {
  private readonly deck: Deck<OrthographicView>;
  private readonly extensions = [new ChannelColours()];
  private plane: Plane | null = null;
  private held: Plane | null = null; // the last one that was drawn
  private scene: Scene | null = null;
  private timer = 0;

  constructor(
    parent: HTMLDivElement,
    private readonly dataset: Dataset,
    private readonly tiles: Tiles,
    private readonly levels: Level[],
    private readonly events: Events,
  ) {
    this.deck = new Deck<OrthographicView>({
      parent,
      width: '100%',
      height: '100%',
      views: new OrthographicView({ id: 'main', flipY: true, controller: { keyboard: false, inertia: false, scrollZoom: { speed: 0.008, smooth: false } } }),
      viewState: { target: [0, 0, 0], zoom: 0 },
      layers: [],
      onViewStateChange: ({ viewState }) => {
        const { target, zoom } = viewState as { target: number[]; zoom: number | number[] };
        const level = Array.isArray(zoom) ? zoom[0]! : zoom;
        this.events.onCamera({ x: target[0]!, y: target[1]!, zoom: Math.min(6, Math.max(-16, level)) });
      },
      onError: (e) => this.events.onFailure(`The picture cannot be drawn: ${e.message}`),
      getCursor: ({ isDragging }) => (isDragging ? 'grabbing' : 'crosshair'),
    });
  }

  show(scene: Scene): void {
    this.scene = scene;
    const { t, z, channels } = scene.view;
    const visible = channels.flatMap((c, i) => (c.visible ? [i] : []));
    const { projection } = scene.view;
    const extent = projection ? extentOf(this.dataset, projection, visible.length, scene.camera, scene.width, scene.height) : { finest: 0, stride: 1 };
    const key = projection ? `${t}/${projection.how}-${projection.first}-${projection.last}-${extent.finest}-${extent.stride}/${visible.join(',')}` : `${t}/${z}/${visible.join(',')}`;
    if (this.plane?.key !== key) {
      // Only a plane that is drawn is worth keeping below; one that still loads is cancelled at once.
      if (this.plane?.coarse || this.plane?.loaded) this.held = this.plane;
      const name = placeName(this.dataset, t, z);
      this.plane = { key, name, channels: visible, selections: visible.map((c) => ({ t, c, z })), levels: this.levelsOf(scene.view, extent), finest: extent.finest, begun: performance.now(), coarse: !visible.length, loaded: !visible.length };
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.settle(), kGraceMs);
    }
    this.settle();
  }

  private levelsOf({ projection }: View, { finest, stride }: { finest: number; stride: number }): Level[] {
    if (!projection) return this.levels;
    return this.levels.slice(finest).map((_, i) => new ProjectedLevel(this.tiles, finest + i, projection, stride));
  }

  // A picture of the canvas as it is now.
  canvas(): HTMLCanvasElement {
    this.deck.redraw('snapshot');
    return this.deck.getCanvas() as HTMLCanvasElement;
  }

  finish(): void {
    window.clearTimeout(this.timer);
    this.deck.finalize();
  }

  private settle(): void {
    const { plane } = this;
    if (!plane) return;
    const old = performance.now() - plane.begun >= kGraceMs - 5;
    if (plane.loaded || (plane.coarse && old)) this.held = null;
    this.events.onPlane(plane.loaded, this.held && !plane.coarse ? this.held.name : '');
    this.draw();
  }

  private draw(): void {
    const { scene, plane } = this;
    if (!scene || !plane) return;
    const { camera } = scene;
    const layers: (Layer | null)[] = [...(this.held ? this.layersOf(this.held, scene) : []), ...this.layersOf(plane, scene)];
    scene.labels.forEach(({ path, levels, box }, i) => {
      const { t, z } = scene.view;
      const depth = levels[0]!.shape;
      const first = box?.z[0] ?? 0;
      const place = { t: Math.min(t, depth[0]! - 1), z: Math.min(z - first, depth[2]! - 1) };
      // Blocks number their objects each by itself.
      if (!box || (z >= first && z < box.z[1])) layers.push(labelLayer({ id: `labels-${path}-${t}-${z}`, levels, box, ...place, fill: scene.labelFill, chosen: i === 0 ? scene.view.object : 0 }));
    });
    this.deck.setProps({ viewState: { target: [camera.x, camera.y, 0], zoom: camera.zoom }, layers });
  }

  private layersOf(plane: Plane, scene: Scene): Layer[] {
    if (!plane.channels.length) return [];
    const coarsest = plane.levels.at(-1)!;
    const common = {
      selections: plane.selections,
      contrastLimits: plane.channels.map((c) => scene.limits[c]!),
      channelsVisible: plane.channels.map(() => true),
      tints: plane.channels.map((c) => ({ colour: scene.view.channels[c]!.colour, gamma: scene.view.channels[c]!.gamma })),
      dtype: coarsest.dtype,
      extensions: this.extensions,
      pickable: false,
    };
    const arrived = (what: 'coarse' | 'loaded') => () => {
      if (plane[what]) return;
      plane[what] = true;
      if (plane === this.plane) window.setTimeout(() => this.settle());
    };
    const coarse = new ImageLayer({
      ...common, id: `coarse-${plane.key}`, loader: coarsest, interpolation: 'linear', onViewportLoad: arrived('coarse'),
      modelMatrix: new Matrix4().scale(2 ** (this.levels.length - 1)),
    } as never) as unknown as Layer;
    const tiles = new MultiscaleImageLayer({
      ...common, id: `plane-${plane.key}`, loader: plane.levels, ...(plane.finest ? { modelMatrix: new Matrix4().scale(2 ** plane.finest) } : {}), excludeBackground: true, maxRequests: 64, onTileError: coarsest.onTileError,
      onViewportLoad: arrived('loaded'),
    } as never) as unknown as Layer;
    return [coarse, tiles];
  }
}
