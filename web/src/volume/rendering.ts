// How a ray through a volume becomes a colour: Viv's own extensions have no gamma, and their minimum counts what is
// outside the volume.
import { VivLayerExtension } from '@vivjs/extensions';
import { rgb } from '../viewer/contrast';
import type { ColourProps } from '../viewer/colours';
import { hueOfLabel } from '../viewer/label-hue';
import type { Volume } from '../viewer/view';

const N = 'VIV_CHANNEL_INDEX'; // Viv repeats each line that has it, once for each channel

// Viv makes sRGB of what it takes for linear light; the planes of the viewer are not treated so.
const fs = `uniform volumeColoursUniforms {
  vec4 colour${N};
} volumeColours;

vec3 unchanged_by_srgb(vec3 c) {
  vec3 s = min(c, vec3(1.));
  return mix(s / 12.92, pow((s + .055) / 1.055, vec3(2.4)), step(vec3(.04045), s));
}
`;

const colourModule = {
  name: 'volumeColours',
  uniformTypes: { [`colour${N}`]: 'vec4<f32>' },
  fs,
  inject: { 'fs:DECKGL_PROCESS_INTENSITY': 'intensity = clamp((intensity - contrastLimits[0]) / (contrastLimits[1] - contrastLimits[0]), 0., 1.);\n' },
};

// Each object is a shell: where one looks along its surface it is opaque, elsewhere as much as labels are filled.
const labelFs = `uniform volumeLabelsUniforms {
  float fill;
  highp uint chosen;
  vec4 size;
} volumeLabels;

uniform highp sampler3D labelIds;

${hueOfLabel}
highp uint label_at(ivec3 at) {
  uvec4 b = uvec4(255. * texelFetch(labelIds, clamp(at, ivec3(0), textureSize(labelIds, 0) - 1), 0) + .5);
  return b.r | b.g << 8 | b.b << 16 | b.a << 24;
}

// Its first plane is in front and its first row is above.
ivec3 label_voxel(vec3 p) {
  return ivec3(vec3(p.x, 1. - p.y, 1. - p.z) * volumeLabels.size.xyz);
}

// From the inside to the outside, in voxels of the labels.
vec3 label_normal(ivec3 at, highp uint id) {
  vec3 sum = vec3(0.);
  for (int z = -1; z <= 1; z++) {
    for (int y = -1; y <= 1; y++) {
      for (int x = -1; x <= 1; x++) {
        ivec3 way = ivec3(x, y, z);
        float near = label_at(at + way) == id ? 0. : 1.;
        float far = label_at(at + 2 * way) == id ? 0. : 1.;
        sum += (near + far) * vec3(way);
      }
    }
  }
  return sum;
}

vec4 label_surface(highp uint id, ivec3 at, vec3 ray, vec3 sides) {
  vec3 normal = label_normal(at, id) * vec3(1., -1., -1.) * volumeLabels.size.xyz / sides;
  float facing = length(normal) > 0. ? abs(dot(normalize(normal), normalize(ray * sides))) : 1.;
  bool chosen = id == volumeLabels.chosen;
  float fill = chosen ? max(volumeLabels.fill, .5) : volumeLabels.fill;
  float rim = (1. - facing) * (1. - facing);
  vec3 colour = chosen ? vec3(1.) : hue_of_label(id & 0x7fffffffu);
  return vec4(colour * mix(1., .3 + .7 * facing, fill), mix(fill, 1., rim));
}
`;

const labelModule = {
  name: 'volumeLabels',
  uniformTypes: { fill: 'f32', chosen: 'u32', size: 'vec4<f32>' },
  fs: labelFs,
};

const colour = (value: string) => `pow(${value}, volumeColours.colour${N}.a) * volumeColours.colour${N}.rgb`;

interface Steps {
  _BEFORE_RENDER: string;
  _RENDER: string;
  _AFTER_RENDER: string;
}

const extreme = (what: 'max' | 'min', none: string): Steps => ({
  _BEFORE_RENDER: `  float seen${N} = ${none};\n  float steps = 0.;\n`,
  _RENDER: `  if (canShow > 0.) seen${N} = ${what}(seen${N}, intensityValue${N});\n  steps += canShow;\n`,
  _AFTER_RENDER: `  vec3 sum = vec3(0.);\n  if (steps > 0.) sum += ${colour(`seen${N}`)};\n`,
});

// What is bright hides what is behind it.
const kAdditive: Steps = {
  _BEFORE_RENDER: '  vec3 sum = vec3(0.);\n  float behind = 1.;\n',
  _RENDER: `  float here = 0.;
  vec3 light = vec3(0.);
  here += intensityValue${N};
  light += ${colour(`intensityValue${N}`)};
  here = min(here, 1.);
  sum += behind * here * min(light, vec3(1.));
  behind *= 1. - here;
  if (behind < .02) break;
`,
  _AFTER_RENDER: '',
};

// A surface is where the number changes. They are in front of what a ray sees of the volume, nearest first.
const kLabelSteps: Steps = {
  _BEFORE_RENDER: '  vec3 tint = vec3(0.);\n  float clear = 1.;\n  highp uint inside = 0u;\n',
  _RENDER: `  if (canShow > 0. && clear > .02) {
    ivec3 at = label_voxel(p);
    highp uint id = label_at(at);
    if (id != inside && id != 0u) {
      vec4 surface = label_surface(id, at, ray_dir, vec3(_U.scale[0][0], _U.scale[1][1], _U.scale[2][2]));
      tint += clear * surface.a * surface.rgb;
      clear *= 1. - surface.a;
    }
    inside = id;
  }
`,
  _AFTER_RENDER: '  sum = clear * min(sum, vec3(1.)) + tint;\n',
};
const kNoSteps: Steps = { _BEFORE_RENDER: '', _RENDER: '', _AFTER_RENDER: '' };
const kOut = '  color = vec4(unchanged_by_srgb(sum), 1.);\n';

// The labels come first: light that hides what is behind it ends the way of a ray.
function stepsOf(mode: Volume['mode'], labels: boolean): Steps {
  const [a, b] = [labels ? kLabelSteps : kNoSteps, kSteps[mode]];
  return { _BEFORE_RENDER: a._BEFORE_RENDER + b._BEFORE_RENDER, _RENDER: a._RENDER + b._RENDER, _AFTER_RENDER: b._AFTER_RENDER + a._AFTER_RENDER + kOut };
}

const kSteps: Record<Volume['mode'], Steps> = { max: extreme('max', '0.'), min: extreme('min', '1.'), add: kAdditive };

export interface LabelLook {
  fill: number; // from 0, outlines alone, to 1
  chosen: number; // 0: none
  size: [x: number, y: number, z: number]; // how many voxels of the labels the volume is wide, high and deep
}

interface Updated {
  props: ColourProps & { labelLook: LabelLook | null };
}

export class VolumeRendering extends VivLayerExtension<{ mode: Volume['mode']; labels: boolean }> {
  static override extensionName = 'VolumeRendering';
  static override defaultProps = { tints: { type: 'array', value: [], compare: true }, labelLook: { type: 'object', value: null, compare: true } };
  readonly rendering: Steps;

  constructor(mode: Volume['mode'], labels: boolean) {
    super({ mode, labels });
    this.rendering = stepsOf(mode, labels);
  }

  // These are called with the layer as `this`.
  getVivShaderTemplates(): { modules: object[] } {
    const { labelLook } = (this as unknown as Updated).props;
    return { modules: labelLook ? [colourModule, labelModule] : [colourModule] };
  }

  override updateState(this: never, params: never): void {
    const layer = this as unknown as { getModels(): { shaderInputs: { setProps(p: object): void } }[] };
    const { tints, labelLook: look } = (params as Updated).props;
    const uniforms = Object.fromEntries(tints.map((t, i) => [`colour${i}`, [...rgb(t.colour).map((v) => v / 255), t.gamma]]));
    const labels = look && { volumeLabels: { fill: look.fill, chosen: look.chosen, size: [...look.size, 1] } };
    for (const model of layer.getModels()) model.shaderInputs.setProps({ volumeColours: uniforms, ...labels });
  }
}
