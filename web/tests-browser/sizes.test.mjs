// How much a page loads before it can be used. Needs `npm run build` first.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizes } from '../scripts/sizes.mjs';

test('a page without images loads at most 150 kB, the viewer at most 300 kB more', () => {
  const { page, viewer } = sizes();
  assert.ok(page <= 150_000, `the page has ${page} bytes`);
  assert.ok(viewer <= 300_000, `the viewer has ${viewer} bytes`);
});
