// The scale bar: the longest round length that is at most this many pixels wide.
import type { Dataset } from '../api/types';
import { number, unitSign } from '../ui/format';
import { shapeOf } from './view';

export interface Bar {
  pixels: number;
  text: string;
}

export function scaleBar(unitsPerPixel: number, unit: string, most = 140): Bar {
  const longest = unitsPerPixel * most;
  const power = 10 ** Math.floor(Math.log10(longest));
  const length = [5, 2, 1].map((k) => k * power).find((k) => k <= longest * 1.0000001) ?? power;
  const sign = unitSign(unit);
  const pixels = length / unitsPerPixel;
  if (sign === 'µm' && length >= 1000) return { pixels, text: `${number(length / 1000)} mm` };
  if (sign === 'µm' && length < 1) return { pixels, text: `${number(length * 1000)} nm` };
  return { pixels, text: `${number(length)} ${sign}`.trim() };
}

// Without a voxel size a length in pixels is all that is true.
export function barFor(d: Dataset, zoom: number): Bar {
  const size = d.voxel_size?.x;
  return scaleBar((size || 1) / 2 ** zoom, size ? d.voxel_unit || 'units' : 'px');
}

export function positionText(d: Dataset, x: number, y: number): string {
  const shape = shapeOf(d);
  if (x < 0 || y < 0 || x >= shape.x || y >= shape.y) return '';
  const pixel = `x ${Math.floor(x)}  y ${Math.floor(y)}`;
  const [sx, sy] = [d.voxel_size?.x, d.voxel_size?.y];
  return sx && sy ? `${pixel}  (${(x * sx).toFixed(1)}, ${(y * sy).toFixed(1)} ${unitSign(d.voxel_unit)})` : pixel;
}
