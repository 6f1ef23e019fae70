// A canvas of deck.gl outlives the image that it shows: the next one takes it over, with its WebGL context and its compiled
// shaders, and the first one finds a canvas that has drawn something already. Making these takes longer than all else
// between a click and the picture.
import { Deck, OrthographicView, type Layer } from '@deck.gl/core';

export interface Owner {
  onCamera(x: number, y: number, zoom: number): void;
  onError(error: Error): void;
}

// What deck.gl's types do not name.
interface Inner {
  animationLoop: { start(): unknown; stop(): unknown } | null;
  layerManager: { updateLayers(): void } | null;
  device?: { isLost: boolean };
}

const kRestAfterMs = 3000;

export class Drawing {
  readonly deck: Deck<OrthographicView>;
  private readonly place = document.createElement('div');
  private owner: Owner | null = null;
  private timer = 0;

  constructor() {
    this.park();
    this.deck = new Deck<OrthographicView>({
      parent: this.place,
      width: '100%',
      height: '100%',
      views: new OrthographicView({ id: 'main', flipY: true, controller: { keyboard: false, inertia: false, scrollZoom: { speed: 0.008, smooth: false } } }),
      viewState: { target: [0, 0, 0], zoom: 0 },
      layers: [],
      onViewStateChange: ({ viewState }) => {
        const { target, zoom } = viewState as { target: number[]; zoom: number | number[] };
        const level = Array.isArray(zoom) ? zoom[0]! : zoom;
        this.owner?.onCamera(target[0]!, target[1]!, Math.min(6, Math.max(-16, level)));
      },
      onError: (e) => this.owner?.onError(e),
      // Tab leads to the picture around it, which has a name.
      onLoad: () => { this.place.tabIndex = -1; },
      getCursor: ({ isDragging }) => (isDragging ? 'grabbing' : 'crosshair'),
    });
  }

  private get inner(): Inner {
    return this.deck as unknown as Inner;
  }

  // A graphics driver that was started again has lost everything.
  get usable(): boolean {
    return this.inner.animationLoop !== null && !this.inner.device?.isLost;
  }

  take(parent: HTMLElement, owner: Owner): void {
    window.clearTimeout(this.timer);
    this.owner = owner;
    this.place.inert = false;
    parent.tabIndex = 0;
    Object.assign(this.place.style, { position: 'absolute', inset: '0', width: 'auto', height: 'auto', zIndex: '', opacity: '', pointerEvents: '' });
    parent.append(this.place);
    this.inner.animationLoop?.start();
  }

  // Draws nothing more, and keeps nothing of what it has drawn.
  release(): void {
    this.owner = null;
    this.deck.setProps({ layers: [] });
    this.inner.layerManager?.updateLayers();
    // At once: the next image may take it before another frame is drawn, and must not be seen with this picture.
    this.deck.redraw('released');
    this.park();
    this.rest();
  }

  draw(layers: Layer[]): void {
    this.deck.setProps({ layers });
    this.rest();
  }

  finish(): void {
    window.clearTimeout(this.timer);
    this.owner = null;
    this.deck.finalize();
    this.place.remove();
  }

  // Where nobody sees it; without a size it would draw nothing.
  private park(): void {
    this.place.inert = true;
    Object.assign(this.place.style, { position: 'fixed', inset: 'auto', left: '0', top: '0', width: '64px', height: '64px', zIndex: '-1', opacity: '0', pointerEvents: 'none' });
    document.body.append(this.place);
  }

  private rest(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.inner.animationLoop?.stop(), kRestAfterMs);
  }
}

let spare: Drawing | null = null;

export function takeDrawing(parent: HTMLElement, owner: Owner): Drawing {
  if (spare && !spare.usable) {
    spare.finish();
    spare = null;
  }
  const drawing = spare ?? new Drawing();
  spare = null;
  drawing.take(parent, owner);
  return drawing;
}

export function returnDrawing(drawing: Drawing): void {
  if (spare || !drawing.usable) return drawing.finish();
  drawing.release();
  spare = drawing;
}

// Makes one that has drawn these layers, unless there is one.
export function prepareDrawing(layers: () => Layer[]): void {
  if (spare) return;
  spare = new Drawing();
  spare.draw(layers());
}
