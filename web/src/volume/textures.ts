// The voxels of one time point as textures, one for each channel. They are filled tile by tile, so that the page never
// has the whole volume in its own memory.
import type { Device, Texture } from '@luma.gl/core';
import type { Tile } from '../viewer/tiles';
import { encode } from './half';
import type { Plan, Voxels } from './plan';

// The graphics card as far as it is needed; deck.gl's own types do not say that it is WebGL's.
type Card = Device & { gl: WebGL2RenderingContext };

export const longestSide = (device: Device) => (device as Card).gl.getParameter((device as Card).gl.MAX_3D_TEXTURE_SIZE) as number;

export class Textures {
  readonly all: Texture[];

  constructor(
    private readonly device: Device,
    private readonly plan: Plan,
    private readonly voxels: Voxels,
    channels: number,
  ) {
    const filter = voxels.format !== 'r32float' || device.isTextureFormatFilterable('r32float') ? 'linear' : 'nearest';
    const edge = 'clamp-to-edge';
    this.all = Array.from({ length: channels }, () => device.createTexture({
      dimension: '3d', format: voxels.format, width: plan.width, height: plan.height, depth: plan.planes.length,
      sampler: { minFilter: filter, magFilter: filter, addressModeU: edge, addressModeV: edge, addressModeW: edge },
    }));
  }

  // A tile whose upper left corner is at x, y of the plane with this index. Plane 0 is in front and y goes up: turned by
  // half a turn, not mirrored.
  put(channel: number, plane: number, x: number, y: number, tile: Tile): void {
    const { gl } = this.device as Card;
    const texture = this.all[channel];
    if (!texture || texture.destroyed) return;
    const types = { r8unorm: gl.UNSIGNED_BYTE, r16float: gl.HALF_FLOAT, r32float: gl.FLOAT };
    gl.bindTexture(gl.TEXTURE_3D, (texture as Texture & { handle: WebGLTexture }).handle);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    const { planes, height } = this.plan;
    gl.texSubImage3D(gl.TEXTURE_3D, 0, x, height - y - tile.height, planes.length - 1 - plane, tile.width, tile.height, 1, gl.RED, types[this.voxels.format], encode(tile.data, tile.width, tile.height, this.voxels));
    gl.bindTexture(gl.TEXTURE_3D, null);
  }

  destroy(): void {
    for (const texture of this.all) texture.destroy();
  }
}
