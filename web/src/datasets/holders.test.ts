import { expect, it } from 'vitest';
import type { Entry } from '../api/types';
import { pinCommand, unpinCommand } from './commands';
import { holdersOf, withoutNumber } from './holders';

const entry = (path: string, more: Partial<Entry> = {}): Entry => ({
  path, kind: 'file', state: 'hot', size: 10, resident: 10, dirty: 0, mtime: '', writing: false, pins: [], files: 0, ...more,
});

it('who keeps how much is summed over all files, and folders do not count', () => {
  const found = holdersOf([
    entry('/a', { kind: 'directory', resident: 0 }),
    entry('/a/1', { pins: ['ada: course: Monday'] }),
    entry('/a/2', { pins: ['ada: course: Monday', 'run-7'], resident: 4 }),
    entry('/a/3', { pins: ['run-7'], resident: 0 }),
  ], true);
  expect(found.holders).toEqual([
    { text: 'ada: course: Monday', owner: 'ada', files: 2, bytes: 14 },
    { text: 'run-7', owner: 'run-7', files: 2, bytes: 4 },
  ]);
  expect(found).toMatchObject({ resident: 14, writing: 0, unpublished: { files: 0, bytes: 0 }, complete: true });
});

it('what the archive does not have yet is a reason of its own', () => {
  const found = holdersOf([entry('/a', { state: 'dirty', dirty: 6, writing: true }), entry('/b', { state: 'dirty', dirty: 0 })], false);
  expect(found).toMatchObject({ holders: [], writing: 1, unpublished: { files: 2, bytes: 6 }, complete: false });
});

it('commands survive any name', () => {
  expect(pinCommand(['/a b', "/it's"], 'course on Monday')).toBe("tierctl pin --reason 'course on Monday' '/a b' '/it'\\''s'");
  expect(unpinCommand(['/a'], '$(x)')).toBe("tierctl unpin --owner '$(x)' '/a'");
});

it('whose it is by number is not shown', () => {
  expect(['1000:ada: course', 'lab: course', '7', '7:'].map(withoutNumber)).toEqual(['ada: course', 'lab: course', '7', '7:']);
});
