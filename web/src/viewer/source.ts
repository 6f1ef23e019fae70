// Viv's view of an image: one PixelSource for each level.
import { reader, type Samples } from './samples';
import { kAborted, type Tile, type Tiles } from './tiles';
import { shapeOf } from './view';

export interface Selection {
  t: number;
  c: number;
  z: number;
}

interface Wanted {
  x: number;
  y: number;
  selection: Selection;
  signal?: AbortSignal;
}

export class Level {
  readonly labels = ['t', 'c', 'z', 'y', 'x'];
  readonly meta = {};
  readonly dtype: string;
  readonly tileSize: number;
  readonly shape: number[];

  constructor(
    protected readonly tiles: Tiles,
    protected readonly level: number,
  ) {
    const s = shapeOf({ shape: tiles.dataset.levels?.[level]?.shape ?? tiles.dataset.shape });
    this.shape = [s.t, s.c, s.z, s.y, s.x];
    this.tileSize = tiles.dataset.tile;
    this.dtype = reader(tiles.dataset.type).dtype;
  }

  getTile = ({ x, y, selection, signal }: Wanted): Promise<Tile> => this.tileOf(x, y, selection, signal);

  protected async tileOf(x: number, y: number, selection: Selection, signal?: AbortSignal): Promise<Tile> {
    const place = { level: this.level, t: selection.t, z: selection.z, x, y };
    const { width, height } = this.tiles.size(place);
    if (x < 0 || y < 0 || width <= 0 || height <= 0) throw kAborted; // outside the image
    // Tiles has said what failed. Viv's layers know one reason that they keep quiet about.
    return this.tiles.get(place, selection.c, signal).catch(() => Promise.reject(kAborted));
  }

  // The whole plane: asked only of the coarsest level, which is about one tile.
  getRaster = async ({ selection, signal }: { selection: Selection; signal?: AbortSignal }): Promise<Tile> => {
    const [height, width] = [this.shape[3]!, this.shape[4]!];
    const size = this.tileSize;
    const jobs: Promise<[number, number, Tile]>[] = [];
    for (let y = 0; y * size < height; y++)
      for (let x = 0; x * size < width; x++) jobs.push(this.getTile({ x, y, selection, signal }).then((tile) => [x, y, tile]));
    const parts = await Promise.all(jobs);
    if (parts.length === 1) return parts[0]![2];
    const first = parts[0]![2].data;
    const data = new (first.constructor as new (n: number) => Samples)(width * height);
    for (const [x, y, tile] of parts)
      for (let row = 0; row < tile.height; row++)
        data.set(tile.data.subarray(row * tile.width, (row + 1) * tile.width), (y * size + row) * width + x * size);
    return { data, width, height };
  };
}

export function levelsOf(tiles: Tiles): Level[] {
  return Array.from({ length: Math.max(1, tiles.dataset.levels?.length ?? 1) }, (_, i) => new Level(tiles, i));
}
