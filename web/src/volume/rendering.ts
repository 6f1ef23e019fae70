// How a ray through a volume becomes a colour: Viv's own extensions have no gamma, and their minimum counts what is
// outside the volume.
import { VivLayerExtension } from '@vivjs/extensions';
import { rgb } from '../viewer/contrast';
import type { ColourProps } from '../viewer/colours';
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

const colour = (value: string) => `pow(${value}, volumeColours.colour${N}.a) * volumeColours.colour${N}.rgb`;

interface Steps {
  _BEFORE_RENDER: string;
  _RENDER: string;
  _AFTER_RENDER: string;
}

const extreme = (what: 'max' | 'min', none: string): Steps => ({
  _BEFORE_RENDER: `  float seen${N} = ${none};\n  float steps = 0.;\n`,
  _RENDER: `  if (canShow > 0.) seen${N} = ${what}(seen${N}, intensityValue${N});\n  steps += canShow;\n`,
  _AFTER_RENDER: `  vec3 sum = vec3(0.);\n  if (steps > 0.) sum += ${colour(`seen${N}`)};\n  color = vec4(unchanged_by_srgb(sum), 1.);\n`,
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
  _AFTER_RENDER: '  color = vec4(unchanged_by_srgb(sum), 1.);\n',
};

const kSteps: Record<Volume['mode'], Steps> = { max: extreme('max', '0.'), min: extreme('min', '1.'), add: kAdditive };

interface Updated {
  props: ColourProps;
}

export class VolumeRendering extends VivLayerExtension<{ mode: Volume['mode'] }> {
  static override extensionName = 'VolumeRendering';
  static override defaultProps = { tints: { type: 'array', value: [], compare: true } };
  readonly rendering: Steps;

  constructor(mode: Volume['mode']) {
    super({ mode });
    this.rendering = kSteps[mode];
  }

  getVivShaderTemplates() {
    return { modules: [colourModule] };
  }

  // deck.gl calls this with the layer as `this`.
  override updateState(this: never, params: never): void {
    const layer = this as unknown as { getModels(): { shaderInputs: { setProps(p: object): void } }[] };
    const { tints } = (params as Updated).props;
    const uniforms = Object.fromEntries(tints.map((t, i) => [`colour${i}`, [...rgb(t.colour).map((v) => v / 255), t.gamma]]));
    for (const model of layer.getModels()) model.shaderInputs.setProps({ volumeColours: uniforms });
  }
}
