// Label images as outlines: the numbers are a texture, the shader finds their edges, so every zoom is sharp.
import type { UpdateParameters } from '@deck.gl/core';
import { TileLayer } from '@deck.gl/geo-layers';
import { BitmapLayer } from '@deck.gl/layers';
import { Matrix4 } from '@math.gl/core';
import { hueOfLabel } from './label-hue';
import type { Box } from './parts';
import type { Level } from './source';

const block = 'uniform labelUniforms { float fill; highp uint chosen; } label;';
const labelUniforms = { name: 'label', vs: block, fs: block, uniformTypes: { fill: 'f32', chosen: 'u32' } } as const;

const fragment = `#version 300 es
precision highp float; precision highp int; precision highp usampler2D;
uniform usampler2D ids;
in vec2 vTexCoord;
out vec4 fragColor;
${hueOfLabel}void main() {
  ivec2 n = textureSize(ids, 0);
  vec2 p = vTexCoord * vec2(n);
  ivec2 q = clamp(ivec2(p), ivec2(0), n - 1);
  uint me = texelFetch(ids, q, 0).r;
  if (me == 0u) discard;
  bool chosen = me == label.chosen;
  // An edge: another number one and a half screen pixels away; the chosen object has a broad one.
  vec2 d = max(fwidth(p) * (chosen ? 3.5 : 1.5), vec2(1.0));
  bool edge = false;
  for (int k = 0; k < 4; k++) {
    vec2 o = k == 0 ? vec2(d.x, 0) : k == 1 ? vec2(-d.x, 0) : k == 2 ? vec2(0, d.y) : vec2(0, -d.y);
    ivec2 r = ivec2(p + o);
    if (r.x >= 0 && r.y >= 0 && r.x < n.x && r.y < n.y && texelFetch(ids, r, 0).r != me) edge = true;
  }
  fragColor = vec4(chosen ? vec3(1.) : hue_of_label(me), edge ? 1.0 : chosen ? max(label.fill, .2) : label.fill);
}`;

interface Ids {
  data: Uint32Array;
  width: number;
  height: number;
}

interface LabelTileProps {
  ids: Ids;
  fill: number;
  chosen: number;
}

// deck.gl's own types do not name what a subclass of BitmapLayer finds in its state.
interface Inner {
  model?: { setBindings(b: object): void; shaderInputs: { setProps(p: object): void }; draw(pass: unknown): void };
  texture?: { destroy(): void };
  bounds?: number[];
  coordinateConversion?: number;
}

class LabelTile extends BitmapLayer<LabelTileProps> {
  static override layerName = 'LabelTile';

  override getShaders() {
    const shaders = super.getShaders();
    return { ...shaders, modules: [...shaders.modules, labelUniforms], fs: fragment };
  }

  override updateState(params: UpdateParameters<this>) {
    super.updateState(params);
    const { ids } = this.props;
    if (ids === params.oldProps.ids) return;
    const inner = this.state as unknown as Inner;
    inner.texture?.destroy();
    const texture = this.context.device.createTexture({
      width: ids.width, height: ids.height, dimension: '2d', format: 'r32uint', data: ids.data,
      sampler: { minFilter: 'nearest', magFilter: 'nearest' },
    });
    this.setState({ texture });
  }

  override finalizeState(context: Parameters<BitmapLayer['finalizeState']>[0]) {
    super.finalizeState(context);
    (this.state as unknown as Inner).texture?.destroy();
  }

  override draw() {
    const { model, texture, bounds, coordinateConversion } = this.state as unknown as Inner;
    if (!model || !texture) return;
    model.setBindings({ ids: texture });
    model.shaderInputs.setProps({
      label: { fill: this.props.fill, chosen: this.props.chosen },
      bitmap: { bounds, coordinateConversion, desaturate: 0, tintColor: [1, 1, 1], transparentColor: [0, 0, 0, 0] },
    });
    model.draw(this.context.renderPass);
  }
}

export interface LabelOptions {
  id: string;
  levels: Level[];
  box: Box | null; // where in the image they are; null: they are as large as it
  t: number;
  z: number;
  fill: number;
  chosen: number; // 0: none
}

export function labelLayer({ id, levels, box, t, z, fill, chosen }: LabelOptions) {
  const [height, width] = [levels[0]!.shape[3]!, levels[0]!.shape[4]!];
  return new TileLayer<Ids | null>({
    id,
    extent: [0, 0, width, height],
    tileSize: levels[0]!.tileSize,
    ...(box ? { modelMatrix: new Matrix4().scale(2 ** box.level).translate([box.x[0], box.y[0], 0]), zoomOffset: box.level } : {}),
    minZoom: -(levels.length - 1),
    maxZoom: 0,
    maxRequests: 64,
    refinementStrategy: 'no-overlap', // outlines of two levels over each other would be double
    updateTriggers: { renderSubLayers: [fill, chosen] },
    getTileData: async ({ index, signal }) => {
      try {
        const tile = await levels[Math.round(-index.z)]!.getTile({ x: index.x, y: index.y, selection: { t, z, c: 0 }, signal });
        const data = tile.data instanceof Uint32Array ? tile.data : Uint32Array.from(tile.data);
        return { data, width: tile.width, height: tile.height };
      } catch {
        return null; // no longer wanted, outside, or reported by Tiles
      }
    },
    renderSubLayers: (props) => {
      const { tile, data } = props;
      if (!data) return null;
      const [[left, top], [right, bottom]] = tile.boundingBox as [[number, number], [number, number]];
      return new LabelTile({ id: props.id, ids: data, fill, chosen, pickable: false, modelMatrix: props.modelMatrix ?? null, bounds: [left, Math.min(bottom, height), Math.min(right, width), top] });
    },
  });
}
