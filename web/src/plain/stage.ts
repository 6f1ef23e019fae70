// OpenSeadragon's canvas, for browsers without WebGL: tiles come from the hub as pictures.
import OpenSeadragon from 'openseadragon';
import { send } from '../api/client';
import type { Dataset } from '../api/types';
import type { Limits } from '../viewer/contrast';
import { pause, untilHere, Waiting } from '../viewer/patience';
import type { Picture } from '../viewer/snapshot';
import { placeName, shapeOf, type Camera, type View } from '../viewer/view';
import { lookOf, pngAddress } from './address';

// How long the plane before stays while nothing of the next one is here.
const kGraceMs = 250;
const kSettleMs = 150; // while a slider of the contrast moves, not every place of it is rendered
const kSightMs = 400;
const kTouchMs = 1000;
const kMostJobs = 48; // what comes from the archive holds a job, not a connection
const kLongestMs = 2 ** 31 - 1; // patience.ts decides, not OpenSeadragon

export interface PlainScene {
  view: View;
  camera: Camera;
  limits: Limits[];
  width: number;
}

interface Events {
  onCamera(camera: Camera): void;
  onPlane(loaded: boolean, standIn: string): void;
  onCold(tiles: number, etaMs: number, reason: string): void;
  onStale(): void;
  onError(text: string): void;
}

interface Job {
  tile: { level: number; x: number; y: number; bounds: OpenSeadragon.Rect };
  userData: { stop?: AbortController };
  finish(data: unknown, request: null, type: string): void;
  fail(text: string, request: null): void;
}

interface Plane {
  key: string;
  name: string; // "plane 5"
  place: string; // without the look
  stop: AbortController;
  item: OpenSeadragon.TiledImage | null;
  begun: number;
  some: boolean; // a tile of it is here
  loaded: boolean;
}

// It prints every tile that is no longer wanted as an error; what failed is said by patience.ts.
const { error } = window.console;
const said = { ...window.console, error: (...parts: unknown[]) => (typeof parts[0] === 'string' && parts[0].startsWith('Tile ') ? undefined : error(...parts)) };
(OpenSeadragon as unknown as { console: object }).console = said;

// OpenSeadragon puts an inline style into the page unless it finds one, and our content security policy forbids that.
// An element of no namespace is found and does nothing.
function standForStyle(): void {
  if (document.querySelector('style[data-openseadragon-mobile-css]')) return;
  const element = document.createElementNS(null, 'style');
  element.setAttribute('data-openseadragon-mobile-css', 'true');
  document.head.append(element);
}

export class PlainStage implements Picture {
  private readonly viewer: OpenSeadragon.Viewer;
  private readonly waiting: Waiting<object>;
  private scene: PlainScene | null = null;
  private plane: Plane | null = null;
  private held: Plane | null = null; // what is seen until the plane has something
  private said: Camera | null = null; // what the person did last
  private touched = -Infinity; // when the person moved the picture
  private timer = 0;
  private settling = 0;
  private placing = 0;

  constructor(parent: HTMLElement, private readonly dataset: Dataset, private readonly events: Events) {
    standForStyle();
    this.waiting = new Waiting(events.onCold);
    const gestures = { clickToZoom: false, dblClickToZoom: false, flickEnabled: false };
    this.viewer = OpenSeadragon({
      element: parent, drawer: 'canvas', showNavigationControl: false, tabIndex: '' as unknown as number,
      gestureSettingsMouse: gestures, gestureSettingsTouch: gestures, gestureSettingsPen: gestures, gestureSettingsUnknown: gestures,
      visibilityRatio: 0, minZoomImageRatio: 0, maxZoomPixelRatio: Infinity, minZoomLevel: 1e-9, maxZoomLevel: 1e9, animationTime: 0,
      imageLoaderLimit: kMostJobs, timeout: kLongestMs, preserveViewport: true, preserveImageSizeOnResize: true, autoResize: true, homeFillsViewer: false,
    } as OpenSeadragon.Options);
    this.viewer.addHandler('canvas-key', (e) => { e.preventDefaultAction = true; });
    this.viewer.addHandler('viewport-change', () => this.moved());
    for (const event of ['canvas-drag', 'canvas-scroll', 'canvas-pinch', 'canvas-double-click'] as const) this.viewer.addHandler(event, () => { this.touched = performance.now(); });
  }

  show(scene: PlainScene): void {
    const { view } = scene;
    const name = placeName(this.dataset, view.t, view.z);
    const place = `${view.t}/${view.z}`;
    const look = lookOf(view.channels, scene.limits);
    const key = `${place}?${look}`;
    this.scene = scene;
    window.clearTimeout(this.settling);
    // Another look of the same plane can wait a moment, another plane cannot.
    if (this.plane && this.plane.key !== key && this.plane.place === place) this.settling = window.setTimeout(() => this.change({ key, name, place }, view, look), kSettleMs);
    else if (this.plane?.key !== key) this.change({ key, name, place }, view, look);
    this.place(scene);
  }

  canvas(): HTMLCanvasElement {
    this.viewer.forceRedraw();
    return (this.viewer.drawer as unknown as { canvas: HTMLCanvasElement }).canvas;
  }

  finish(): void {
    window.clearTimeout(this.timer);
    window.clearTimeout(this.settling);
    window.clearTimeout(this.placing);
    this.plane?.stop.abort();
    this.held?.stop.abort();
    this.viewer.destroy();
  }

  private change(names: Pick<Plane, 'key' | 'name' | 'place'>, view: View, look: string): void {
    const before = this.plane;
    before?.stop.abort();
    // Only what is seen is worth keeping below.
    if (before?.some) {
      this.drop(this.held);
      this.held = before;
    } else this.drop(before);
    const plane: Plane = { ...names, stop: new AbortController(), item: null, begun: performance.now(), some: !look, loaded: !look };
    this.plane = plane;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.settle(), kGraceMs);
    if (look) {
      const { x, y } = shapeOf(this.dataset);
      this.viewer.addTiledImage({
        tileSource: this.sourceOf(plane, view.t, view.z, look) as never, x: 0, y: 0, width: 1, index: this.viewer.world.getItemCount(),
        success: (e) => {
          const item = (e as unknown as { item: OpenSeadragon.TiledImage }).item;
          if (this.plane !== plane) return this.viewer.world.removeItem(item);
          plane.item = item;
          item.addHandler('fully-loaded-change', ({ fullyLoaded }) => {
            plane.loaded = fullyLoaded;
            this.settle();
          });
          return undefined;
        },
        error: () => this.events.onError(`The picture of ${x} × ${y} pixels cannot be drawn.`),
      });
    }
    this.settle();
  }

  private drop(plane: Plane | null): void {
    plane?.stop.abort();
    if (plane?.item) this.viewer.world.removeItem(plane.item);
    if (plane) plane.item = null;
  }

  private settle(): void {
    const { plane } = this;
    if (!plane) return;
    const old = performance.now() - plane.begun >= kGraceMs - 5;
    if (plane.loaded || (plane.some && old)) {
      this.drop(this.held);
      this.held = null;
    }
    this.events.onPlane(plane.loaded, this.held && !plane.some && this.held.place !== plane.place ? this.held.name : '');
  }

  private sourceOf(plane: Plane, t: number, z: number, look: string): OpenSeadragon.TileSource {
    const d = this.dataset;
    const { x, y } = shapeOf(d);
    const finest = Math.max(1, d.levels?.length ?? 1) - 1; // OpenSeadragon counts levels from the coarsest
    const addressOf = (level: number, tx: number, ty: number) => pngAddress(d, { level: finest - level, t, z, y: ty, x: tx }, look);
    const source = new OpenSeadragon.TileSource({ width: x, height: y, tileSize: d.tile, tileOverlap: 0, minLevel: 0, maxLevel: finest } as OpenSeadragon.TileSourceOptions);
    const load = async (job: Job, signal: AbortSignal) => {
      const { level, x: tx, y: ty } = job.tile;
      // What has left the picture is not asked for until it is seen again.
      const ask = async () => {
        while (!this.isInSight(job.tile.bounds)) await pause(kSightMs, signal);
        return (await send(addressOf(level, tx, ty), { signal })).blob();
      };
      const blob = await untilHere(ask, signal, { cold: (eta, reason) => this.waiting.set(job, eta, reason), error: this.events.onError, stale: this.events.onStale });
      plane.some = true;
      job.finish(blob, null, 'rasterBlob');
      this.settle();
    };
    return Object.assign(source, {
      getTileUrl: addressOf,
      hasTransparency: () => false,
      downloadTileStart: (job: Job) => {
        const stop = new AbortController();
        job.userData.stop = stop;
        const end = () => stop.abort();
        plane.stop.signal.addEventListener('abort', end, { once: true });
        if (plane.stop.signal.aborted) stop.abort();
        load(job, stop.signal).catch(() => job.fail('no longer wanted, or said elsewhere', null)).finally(() => {
          plane.stop.signal.removeEventListener('abort', end);
          this.waiting.end(job);
        });
      },
      downloadTileAbort: (job: Job) => job.userData.stop?.abort(),
    });
  }

  private isInSight(bounds: OpenSeadragon.Rect): boolean {
    return this.viewer.viewport.getBounds(true).intersection(bounds) !== null;
  }

  // Image coordinates of OpenSeadragon: the image is 1 wide.
  private place({ camera, width }: PlainScene): void {
    const { viewport, drawer } = this.viewer;
    drawer.setImageSmoothingEnabled(camera.zoom < 0);
    const same = this.said && Math.abs(this.said.x - camera.x) < 1e-6 && Math.abs(this.said.y - camera.y) < 1e-6 && Math.abs(this.said.zoom - camera.zoom) < 1e-6;
    if (same || width <= 0) return;
    const { x } = shapeOf(this.dataset);
    this.said = camera; // not to be told what is known
    viewport.zoomTo((x * 2 ** camera.zoom) / width, undefined, true);
    viewport.panTo(new OpenSeadragon.Point(camera.x / x, camera.y / x), true);
    this.said = camera;
  }

  private moved(): void {
    const { scene, viewer } = this;
    if (!scene || scene.width <= 0) return;
    const { x } = shapeOf(this.dataset);
    const centre = viewer.viewport.getCenter(true);
    const zoom = Math.log2((viewer.viewport.getZoom(true) * scene.width) / x);
    const camera = { x: centre.x * x, y: centre.y * x, zoom: Math.min(6, Math.max(-16, zoom)) };
    const { said } = this;
    if (said && Math.abs(said.x - camera.x) < 0.01 && Math.abs(said.y - camera.y) < 0.01 && Math.abs(said.zoom - camera.zoom) < 1e-4) return;
    if (performance.now() - this.touched > kTouchMs) {
      // OpenSeadragon itself, such as after a change of the size.
      window.clearTimeout(this.placing);
      this.placing = window.setTimeout(() => {
        this.said = null;
        this.place(this.scene!);
      }, 50);
      return;
    }
    this.said = camera.zoom === zoom ? camera : null;
    this.events.onCamera(camera);
  }
}
