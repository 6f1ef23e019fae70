import { expect, it } from 'vitest';
import { folderLink, formatHash, parseHash, titleOf, viewLink } from './route';

it('an empty hash is the list of all data', () => {
  expect(parseHash('').page).toBe('data');
  expect(parseHash('#/').page).toBe('data');
  expect(folderLink('/')).toBe('#/data');
});

it('links keep slashes readable and every name survives', () => {
  for (const path of ['/brain42/scan.ome.zarr', '/a b/100 % näive #1?.tif', '/x&y=z/+', '/bytes\uefff', '/%2F']) {
    const link = viewLink(path);
    expect(parseHash(link)).toMatchObject({ page: 'view' });
    expect(parseHash(link).query.get('path')).toBe(path);
  }
  expect(viewLink('/brain42/scan.ome.zarr')).toBe('#/view?path=/brain42/scan.ome.zarr');
});

it('parameters without a value are left out', () => {
  expect(formatHash('view', { path: '/a', z: 0, t: undefined, c: '' })).toBe('#/view?path=/a&z=0');
});

it('the title says where one is', () => {
  const titles = ['#/data', '#/data?path=/a/b%20c', '#/view?path=/a/x.tif', '#/runs?run=r-1', '#/nowhere'].map((hash) => titleOf(parseHash(hash)));
  expect(titles).toEqual(['Datasets · TierHub', 'b c · TierHub', 'x.tif · TierHub', 'r-1 · TierHub', 'TierHub']);
});
