import { expect, it } from 'vitest';
import { cellAt, levelText, stripOfLevel, unitsText, waysOf, type LevelCells } from './image-map';

// Two time points of three planes: the first time point is on the SSD but for its last plane, of which nothing is known.
const level = (more: Partial<LevelCells> = {}): LevelCells => ({ level: 0, t: 2, z: 3, t_cells: 2, z_cells: 3, bytes: [10, 10, null, 10, 10, 10], resident: [10, 10, null, 0, 0, 5], dirty: [0, 4, null, 0, 0, 0], ...more });

it('a level is seen along z or along t', () => {
  const along = (way: 'z' | 't') => stripOfLevel(level(), way).cells.map((c) => [c.resident, c.size]);
  expect(along('z')).toEqual([[10, 20], [10, 20], [5, 10]]);
  expect(along('t')).toEqual([[20, 20], [5, 30]]);
  expect(stripOfLevel(level(), 'z').cells[1]!.dirty).toBe(4);
  expect(cellAt(level(), 0, 2)).toEqual({ size: 0, resident: 0, dirty: 0 });
});

it('words', () => {
  expect(levelText(stripOfLevel(level(), 't'))).toBe('level 0: 50 % on the SSD, 1 of 2 time points whole');
  expect(levelText(stripOfLevel(level({ z: 30 }), 'z'))).toBe('level 0: 50 % on the SSD, 0 of 3 groups of planes whole');
  expect(levelText(stripOfLevel(level({ t: 1, t_cells: 1, z: 1, z_cells: 1, bytes: [null], resident: [null], dirty: [null] }), 'z'))).toBe('level 0: not known');
  expect([unitsText('plane'), unitsText('group of time points')]).toEqual(['planes', 'groups of time points']);
});

it('only what an image has can be chosen', () => {
  const ways = (t_cells: number, z_cells: number) => waysOf({ complete: true, levels: [level({ t_cells, z_cells })] });
  expect([ways(1, 1), ways(1, 9), ways(9, 1), ways(2, 3)]).toEqual([['z'], ['z'], ['t'], ['z', 't', 'both']]);
});
