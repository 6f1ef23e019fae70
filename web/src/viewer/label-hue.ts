// The colour of an object by its number, the same over planes and in a volume: a function for shaders.
export const hueOfLabel = `vec3 hue_of_label(highp uint id) {
  highp uint h = id * 2654435761u;
  h ^= h >> 15;
  float a = float(h & 1023u) / 1023.0;
  return clamp(abs(fract(a + vec3(0., 2. / 3., 1. / 3.)) * 6. - 3.) - 1., 0., 1.) * .7 + .3;
}
`;
