// Colours and gamma of channels: Viv's own palette extension has no gamma.
import { VivLayerExtension } from '@vivjs/extensions';
import { rgb } from './contrast';

const N = 'VIV_CHANNEL_INDEX'; // Viv replaces it, once for each channel

const fs = `uniform channelColoursUniforms {
  vec4 colour${N};
} channelColours;

void add_channels(inout vec3 rgb, float[NUM_CHANNELS] intensity) {
  vec4 colours[NUM_CHANNELS] = vec4[NUM_CHANNELS](
    channelColours.colour${N},
  );
  for (int i = 0; i < NUM_CHANNELS; i++) {
    float light = intensity[i];
    if (colours[i].a != 1.0) light = pow(light, colours[i].a); // a power costs a processor that draws much
    rgb += light * colours[i].rgb;
  }
}
`;

const colourModule = {
  name: 'channelColours',
  uniformTypes: { [`colour${N}`]: 'vec4<f32>' },
  fs,
  inject: {
    // Viv's own divides by at least 0.0005: wrong for floating-point images with small values.
    'fs:DECKGL_PROCESS_INTENSITY': 'intensity = clamp((intensity - contrastLimits[0]) / (contrastLimits[1] - contrastLimits[0]), 0., 1.);\n',
    'fs:DECKGL_MUTATE_COLOR': 'vec3 rgb = vec3(0.);\nadd_channels(rgb, intensity);\nrgba = vec4(min(rgb, vec3(1.)), 1.);\n',
  },
};

export interface ColourProps {
  tints: { colour: string; gamma: number }[];
}

interface Updated {
  props: ColourProps;
}

export class ChannelColours extends VivLayerExtension {
  static override extensionName = 'ChannelColours';
  static override defaultProps = { tints: { type: 'array', value: [], compare: true } };

  getVivShaderTemplates() {
    return { modules: [colourModule] };
  }

  // deck.gl calls this with the layer as `this`.
  override updateState(this: never, params: never): void {
    const layer = this as unknown as { getModels(): { shaderInputs: { setProps(p: object): void } }[]; props: ColourProps };
    const { tints } = (params as Updated).props;
    const uniforms = Object.fromEntries(tints.map((t, i) => [`colour${i}`, [...rgb(t.colour).map((v) => v / 255), t.gamma]]));
    for (const model of layer.getModels()) model.shaderInputs.setProps({ channelColours: uniforms });
  }
}
