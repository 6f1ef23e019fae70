// deck.gl's canvas: from the state of the viewer to layers. React does not draw here.
import type { Layer } from '@deck.gl/core';
import { Matrix4 } from '@math.gl/core';
import { ImageLayer, MultiscaleImageLayer } from '@vivjs/layers';
import type { Dataset } from '../api/types';
import { ChannelColours } from './colours';
import type { Limits } from './contrast';
import { prepareDrawing, returnDrawing, takeDrawing, type Drawing } from './drawing';
import { labelLayer } from './labels';
import type { Box } from './parts';
import { extentOf, ProjectedLevel } from './projection';
import { reader } from './samples';
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
  covered: boolean; // sharp tiles lie over all that is seen of it: the coarse level need not be drawn
  failed: boolean; // a tile could not be had, now or before
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

export function hasWebGl(): boolean {
  const context = document.createElement('canvas').getContext('webgl2');
  context?.getExtension('WEBGL_lose_context')?.loseContext(); // a page may have few of them
  return Boolean(context);
}

interface Shown {
  key: string;
  levels: Pick<Level, 'dtype'>[]; // the finest comes first
  selections: Selection[];
  limits: Limits[];
  tints: { colour: string; gamma: number }[];
  scale: number; // of the coarsest level
  finest: number;
  covered: boolean;
  onCoarse(): void;
  onLoaded(): void;
  onTileError(): void;
}

const kExtensions = [new ChannelColours()];

// A plane: its coarsest level, and over it the tiles of the level that fits.
function layersOf(s: Shown): Layer[] {
  const coarsest = s.levels.at(-1)!;
  const common = { selections: s.selections, contrastLimits: s.limits, channelsVisible: s.selections.map(() => true), tints: s.tints, dtype: coarsest.dtype, extensions: kExtensions, pickable: false };
  const coarse = new ImageLayer({
    ...common, id: `coarse-${s.key}`, loader: coarsest, interpolation: 'linear', visible: !s.covered, onViewportLoad: s.onCoarse,
    modelMatrix: new Matrix4().scale(s.scale),
  } as never) as unknown as Layer;
  const tiles = new MultiscaleImageLayer({
    ...common, id: `plane-${s.key}`, loader: s.levels, ...(s.finest ? { modelMatrix: new Matrix4().scale(2 ** s.finest) } : {}), excludeBackground: true, maxRequests: 64, onTileError: s.onTileError,
    onViewportLoad: s.onLoaded,
  } as never) as unknown as Layer;
  return [coarse, tiles];
}

// Starts what draws, while nobody waits for it: for images of so many channels that are seen, of this type.
export function warmUp(channels: number, type: string): void {
  if (!hasWebGl()) return;
  const { dtype, bytes, samples } = reader(type);
  const side = 64;
  const picture = async () => ({ data: samples(new ArrayBuffer(side * side * bytes), 0, side * side), width: side, height: side });
  const levels = [0, 1].map(() => ({ labels: ['t', 'c', 'z', 'y', 'x'], meta: {}, dtype, tileSize: 512, shape: [1, channels, 1, side, side], getTile: picture, getRaster: picture }));
  const each = <T>(value: T) => Array.from({ length: channels }, () => value);
  const nothing = () => {};
  prepareDrawing(() => layersOf({
    key: 'none', levels, selections: each({ t: 0, c: 0, z: 0 }), limits: each<Limits>([0, 1]), tints: each({ colour: 'ffffff', gamma: 1 }), scale: 1, finest: 0, covered: false, onCoarse: nothing, onLoaded: nothing, onTileError: nothing,
  }));
}

export class Stage {
  private readonly drawing: Drawing;
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
    this.drawing = takeDrawing(parent, {
      onCamera: (x, y, zoom) => this.events.onCamera({ x, y, zoom }),
      onError: (e) => this.events.onFailure(`The picture cannot be drawn: ${e.message}`),
    });
  }

  show(scene: Scene): void {
    const before = this.scene;
    this.scene = scene;
    const { camera, width, height } = scene;
    if (!before || before.width !== width || before.height !== height || before.camera.x !== camera.x || before.camera.y !== camera.y || before.camera.zoom !== camera.zoom)
      for (const plane of [this.plane, this.held]) if (plane) plane.covered = false;
    const { t, z, channels } = scene.view;
    const visible = channels.flatMap((c, i) => (c.visible ? [i] : []));
    const { projection } = scene.view;
    const extent = projection ? extentOf(this.dataset, projection, visible.length, scene.camera, scene.width, scene.height) : { finest: 0, stride: 1 };
    const key = projection ? `${t}/${projection.how}-${projection.first}-${projection.last}-${extent.finest}-${extent.stride}/${visible.join(',')}` : `${t}/${z}/${visible.join(',')}`;
    if (this.plane?.key !== key) {
      // Only a plane that is drawn is worth keeping below; one that still loads is cancelled at once.
      if (this.plane?.coarse || this.plane?.loaded) this.held = this.plane;
      const name = placeName(this.dataset, t, z);
      this.plane = { key, name, channels: visible, selections: visible.map((c) => ({ t, c, z })), levels: this.levelsOf(scene.view, extent), finest: extent.finest, begun: performance.now(), coarse: !visible.length, loaded: !visible.length, covered: false, failed: false };
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
    this.drawing.deck.redraw('snapshot');
    return this.drawing.deck.getCanvas() as HTMLCanvasElement;
  }

  finish(): void {
    window.clearTimeout(this.timer);
    returnDrawing(this.drawing);
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
    this.drawing.deck.setProps({ viewState: { target: [camera.x, camera.y, 0], zoom: camera.zoom }, layers });
  }

  private layersOf(plane: Plane, scene: Scene): Layer[] {
    if (!plane.channels.length) return [];
    const arrived = (what: 'coarse' | 'loaded') => () => {
      const covered = plane.covered || (what === 'loaded' && !plane.failed);
      if (plane[what] && plane.covered === covered) return;
      plane[what] = true;
      plane.covered = covered;
      if (plane === this.plane) window.setTimeout(() => this.settle());
    };
    const onTileError = () => {
      plane.failed = true;
      plane.covered = false;
    };
    return layersOf({
      key: plane.key, levels: plane.levels, selections: plane.selections, limits: plane.channels.map((c) => scene.limits[c]!),
      tints: plane.channels.map((c) => ({ colour: scene.view.channels[c]!.colour, gamma: scene.view.channels[c]!.gamma })),
      scale: 2 ** (this.levels.length - 1), finest: plane.finest, covered: plane.covered, onCoarse: arrived('coarse'), onLoaded: arrived('loaded'), onTileError,
    });
  }
}
