import { expect, it } from 'vitest';
import { lookOf, pngAddress } from './address';

const channel = { visible: true, colour: '4f8bff', low: null, high: null, gamma: 1 };

it('only channels that are shown are in an address, each with its limits', () => {
  const look = lookOf([channel, { ...channel, visible: false }, { ...channel, colour: 'ff9d2e', gamma: 0.5 }], [[0, 4095], [1, 2], [-0.5, 1e-7]]);
  expect(look).toBe('c=0,2&colors=4f8bff,ff9d2e&min=0,-0.5&max=4095,1e-7&gamma=1,0.5');
  expect(lookOf([{ ...channel, visible: false }], [[0, 1]])).toBe('');
});

it('names are encoded, slashes are not', () => {
  const d = { path: '/a b/50 %?/ü#.tif', version: 'v/1' };
  expect(pngAddress(d, { level: 2, t: 3, z: 4, y: 5, x: 6 }, 'c=0')).toBe('png/v%2F1/a%20b/50%20%25%3F/%C3%BC%23.tif/2/3/4/5/6?c=0');
});
