// deck.gl's canvas for a volume: Viv's volume layer, with textures that are filled while they are shown.
import { Deck, OrbitView } from '@deck.gl/core';
import type { Device, Texture } from '@luma.gl/core';
import { Matrix4 } from '@math.gl/core';
import { XR3DLayer } from '@vivjs/layers';
import type { Limits } from '../viewer/contrast';
import type { ChannelView, Volume } from '../viewer/view';
import type { LabelTexture } from './labels';
import { extentOf, fitZoom, type Plan, type Voxels } from './plan';
import { VolumeRendering } from './rendering';
import type { Textures } from './textures';

interface VolumeProps {
  channelData: { data: Textures['all']; width: number; height: number; depth: number; size: Plan['size'] };
}

// Viv's layer makes textures of Float32Arrays and owns them: four bytes a voxel, all at once, twice. This one shows
// textures of somebody else.
class VolumeLayer extends (XR3DLayer as unknown as new (props: object) => { state: Record<string, unknown>; props: object; finalizeState(): void; setState(s: object): void; draw(options: unknown): void }) {
  static layerName = 'VolumeLayer';

  override draw(options: unknown): void {
    const { labels } = this.props as { labels: Texture | null };
    if (labels) (this.state.model as { setBindings(b: object): void } | null)?.setBindings({ labelIds: labels });
    super.draw(options);
  }

  loadTexture({ data, width, height, depth, size }: VolumeProps['channelData']): void {
    const textures = Object.fromEntries(data.map((texture, i) => [`volume${i}`, texture]));
    this.setState({ textures, scaleMatrix: new Matrix4().scale([width * size[0], height * size[1], depth * size[2]]) });
  }

  override finalizeState(): void {
    this.setState({ textures: null });
    super.finalizeState();
  }
}

export interface VolumeScene {
  volume: Volume;
  plan: Plan;
  voxels: Voxels;
  textures: Textures;
  channels: number[];
  views: ChannelView[]; // of every channel
  limits: Limits[];
  labels: { numbers: LabelTexture; fill: number; chosen: number } | null;
  width: number;
  height: number;
}

interface Events {
  onDevice(device: Device): void;
  onLook(change: Partial<Volume>): void;
  onFailure(text: string): void;
}

export class VolumeStage {
  private readonly deck: Deck<OrbitView>;
  private scene: VolumeScene | null = null;

  constructor(parent: HTMLDivElement, private readonly events: Events) {
    this.deck = new Deck<OrbitView>({
      id: 'volume-canvas', // that of planes has deck.gl's usual name, and may wait beside this one
      parent,
      width: '100%',
      height: '100%',
      views: new OrbitView({ id: 'volume', orbitAxis: 'Y', controller: { keyboard: false, inertia: false, scrollZoom: { speed: 0.008, smooth: false } } }),
      viewState: { target: [0, 0, 0], zoom: 0 },
      layers: [],
      useDevicePixels: 1, // every pixel is a ray through the whole volume
      onDeviceInitialized: (device) => this.events.onDevice(device),
      onViewStateChange: ({ viewState }) => this.moved(viewState as unknown as { target: number[]; zoom: number; rotationX: number; rotationOrbit: number }),
      onError: (e) => this.events.onFailure(`The volume cannot be drawn: ${e.message}`),
      getCursor: ({ isDragging }) => (isDragging ? 'grabbing' : 'grab'),
    });
  }

  show(scene: VolumeScene): void {
    this.scene = scene;
    const { volume, plan, voxels, channels, textures, labels } = scene;
    const { sides, diagonal } = extentOf(plan);
    const layer = new VolumeLayer({
      id: `volume-${channels.length}`,
      channelData: this.dataOf(textures, plan),
      selections: channels.map((c) => ({ c })),
      contrastLimits: channels.map((c) => scene.limits[c]!.map((n) => n * voxels.scale)),
      channelsVisible: channels.map(() => true),
      colors: channels.map(() => [255, 255, 255]),
      tints: channels.map((c) => ({ colour: scene.views[c]!.colour, gamma: scene.views[c]!.gamma })),
      domain: [0, 1],
      dtype: 'Float32',
      extensions: [this.renderingOf(volume.mode, labels !== null)],
      labels: labels?.numbers.texture ?? null,
      labelLook: labels && { fill: labels.fill, chosen: labels.chosen, size: labels.numbers.grid.size },
      resolutionMatrix: kSame,
      pickable: false,
      // The back faces: they are seen from inside the volume, too.
      parameters: { cullMode: 'front', depthWriteEnabled: false, depthCompare: 'always', blend: false },
    });
    const target = sides.map((side, i) => side / 2 + volume.pan[i]! * diagonal);
    this.deck.setProps({ viewState: { target, zoom: this.fitZoom() + volume.zoom, rotationX: volume.pitch, rotationOrbit: volume.turn } as never, layers: [layer as never] });
  }

  // Before their texture ends.
  forgetLabels(): void {
    if (this.scene) this.show({ ...this.scene, labels: null });
  }

  // More voxels are here.
  redraw(): void {
    const { scene } = this;
    if (!scene) return;
    this.deck.redraw('voxels');
  }

  canvas(): HTMLCanvasElement {
    this.deck.redraw('snapshot');
    return this.deck.getCanvas() as HTMLCanvasElement;
  }

  finish(): void {
    this.deck.finalize();
  }

  // deck.gl compares by identity.
  private readonly renderings = new Map<string, VolumeRendering>();
  private renderingOf(mode: Volume['mode'], labels: boolean): VolumeRendering {
    const key = `${mode} ${labels}`;
    const found = this.renderings.get(key) ?? new VolumeRendering(mode, labels);
    this.renderings.set(key, found);
    return found;
  }
  private data: VolumeProps['channelData'] | null = null;
  private dataOf({ all }: Textures, plan: Plan): VolumeProps['channelData'] {
    if (this.data?.data !== all) this.data = { data: all, width: plan.width, height: plan.height, depth: plan.planes.length, size: plan.size };
    return this.data!;
  }

  private fitZoom(): number {
    const { plan, width, height } = this.scene!;
    return fitZoom(plan, width, height);
  }

  private moved({ target, zoom, rotationX, rotationOrbit }: { target: number[]; zoom: number; rotationX: number; rotationOrbit: number }): void {
    if (!this.scene) return;
    const { sides, diagonal } = extentOf(this.scene.plan);
    const pan = sides.map((side, i) => (target[i]! - side / 2) / diagonal) as [number, number, number];
    this.events.onLook({ zoom: zoom - this.fitZoom(), turn: rotationOrbit, pitch: rotationX, pan });
  }
}

const kSame = new Matrix4();
