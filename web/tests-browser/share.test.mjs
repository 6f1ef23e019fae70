// Links to an image for people without an account. Needs `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '../mock/server.mjs';
import { openBrowser, openPage } from './browser.mjs';

let browser;
before(async () => {
  browser = await openBrowser();
});
after(async () => browser?.close());

async function visit(t, hash, { width, ...options } = {}) {
  const hub = await start(options);
  const opened = await openPage(browser, { width });
  t.after(async () => {
    await opened.context.close();
    await hub.stop();
  });
  await opened.page.goto(`${hub.address}/${hash}`, { waitUntil: 'commit' });
  return { ...opened, hub };
}

test('a link is made, copied and taken back', async (t) => {
  const { page, context, hub, faults } = await visit(t, '#/data?path=/brain42');
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: hub.address });
  await page.locator('.list-row', { hasText: 'scan.ome.zarr' }).locator('.col-size').click();
  await page.getByRole('button', { name: 'Share…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Share this image' });
  await dialog.getByText('Nothing is shared.').waitFor();
  await dialog.getByText('the link works here and nowhere else').waitFor();
  await dialog.getByRole('combobox').selectOption('1 week');
  await dialog.getByRole('button', { name: 'Make a link' }).click();
  await dialog.getByText('You share 1 link').waitFor();
  const [share] = hub.world.shares;
  assert.equal(share.path, '/brain42/scan.ome.zarr');
  assert.ok(Math.abs(Date.parse(share.expires) - Date.now() - 7 * 86_400_000) < 60_000);
  const address = `${hub.address}/share/${share.token}/zarr`;
  assert.equal(await dialog.getByRole('textbox', { name: 'OME-Zarr 0.4 (Zarr version 2)' }).inputValue(), `${address}/v2`);
  assert.equal(await dialog.getByRole('textbox', { name: /^In Python/ }).inputValue(), `zarr.open("${address}/v3", mode="r")["0"]`);
  await dialog.getByRole('button', { name: 'Copy: OME-Zarr 0.5 (Zarr version 3)' }).click();
  await dialog.getByText('Copied').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${address}/v3`);
  await dialog.getByRole('button', { name: /^Take back scan\.ome\.zarr/ }).click();
  await dialog.getByText('Nothing is shared.').waitFor();
  assert.equal(await dialog.getByRole('textbox').count(), 0, 'the addresses of a link that shows nothing');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.deepEqual(await faults(), []);
});

test('the viewer shares its image, and says why a link was not made', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/plates/screen-03/B/03.ome.zarr', { width: 400, mostShares: 1 });
  await page.getByRole('button', { name: 'Share this image' }).click();
  const dialog = page.getByRole('dialog', { name: 'Share this image' });
  await dialog.getByRole('button', { name: 'Make a link' }).click();
  await dialog.getByRole('button', { name: 'Make another link' }).click();
  await dialog.getByText('You share 1 images already: take one back.').waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 400 && [...document.querySelectorAll('dialog[open]')].every((d) => d.scrollWidth <= d.clientWidth)), 'wider than a telephone');
  await page.goto(`${hub.address}/#/system`);
  await dialog.waitFor({ state: 'hidden' });
  assert.equal(hub.world.shares.length, 1);
  assert.deepEqual(await faults(), []);
});
