import { expect, it } from 'vitest';
import { shareAddress } from './shares';

const share = { token: 'ab12', path: '/a b/c.tif', address: '/share/ab12/zarr/v3/', expires: '2026-12-01T00:00:00Z' };

it('the address of a share is that of the hub, without the state of the view', () => {
  expect(shareAddress(share, 'v3', 'https://hub.example.org/#/view?path=/a%20b/c.tif')).toBe('https://hub.example.org/share/ab12/zarr/v3');
  expect(shareAddress(share, 'v2', 'https://example.org/hub/#/data')).toBe('https://example.org/hub/share/ab12/zarr/v2');
});
