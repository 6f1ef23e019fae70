// Keeping data on the SSD, and sending it to the archive. Needs `npm run build` first.
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

test('what is pinned stays, and says who keeps it', async (t) => {
  const { page, hub, faults } = await visit(t, '#/data?path=/brain42', { root: true });
  await page.locator('.list-row', { hasText: 'scan-archive.ome.zarr' }).locator('.col-size').click();
  const details = page.getByRole('complementary', { name: 'About scan-archive.ome.zarr' });
  await details.getByRole('button', { name: 'Keep on SSD…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Keep scan-archive.ome.zarr on the SSD' });
  await dialog.getByLabel('Why, for others to read').fill('course');
  await dialog.getByRole('button', { name: 'Keep on SSD' }).click();
  await page.getByText('scan-archive.ome.zarr: 1 file pinned. They stay on the SSD until somebody unpins them.').waitFor();
  await page.getByText('211 MiB on the SSD').waitFor();
  await details.locator('summary', { hasText: 'What keeps it on the SSD' }).click();
  await details.getByText(/^Kept for ada: course: \d+ files, \d+ MiB on the SSD$/).waitFor();
  await details.getByRole('button', { name: 'Free SSD space' }).click();
  await page.getByText('Nothing was freed. 1 file had to stay, for example /brain42/scan-archive.ome.zarr: pinned by ada: course.').waitFor();
  await details.getByRole('button', { name: 'Unpin what ada keeps' }).click();
  await page.getByText('scan-archive.ome.zarr: 1 file unpinned. The space can be freed now.').waitFor();
  await details.getByText('Nothing keeps it').waitFor();
  assert.deepEqual(hub.world.pins.map((p) => p.path), ['/brain42/raw']);
  assert.deepEqual(await faults(), []);
});

test('who may not pin gets the command for an administrator', async (t) => {
  const { page, faults } = await visit(t, '#/data?path=/brain42/raw', { width: 400 });
  await page.getByText('stack_000.mrc').waitFor();
  await page.getByRole('button', { name: 'Keep: this folder' }).click();
  const dialog = page.getByRole('dialog', { name: 'Keep raw on the SSD' });
  await dialog.getByRole('button', { name: 'Keep on SSD' }).click();
  await dialog.getByText('Only root may pin. Send an administrator this command:').waitFor();
  assert.equal(await dialog.getByRole('textbox', { name: 'Command for an administrator' }).inputValue(), "tierctl pin '/brain42/raw'");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 400);
  assert.deepEqual(await faults(), []);
});

test('a publish shows what it waits for, and ends with a receipt', async (t) => {
  const { page, hub, faults } = await visit(t, '#/data?path=/brain42');
  await page.locator('.list-row', { hasText: 'timelapse.ome.tif' }).locator('.col-size').click();
  await page.locator('.details').getByRole('button', { name: 'Publish now' }).click();
  await page.getByText(/ of 41\.0 MiB in the archive, 1 change left$/).waitFor();
  await page.getByText('timelapse.ome.tif: 1 file (41.0 MiB) sent. The archive has all of it.').waitFor();
  await page.getByRole('button', { name: 'Publish: this folder' }).click();
  await page.getByText('/brain42/run-output.csv: open for writing by pid 4711').waitFor();
  Object.assign(hub.world.files.find((f) => f.path === '/brain42/run-output.csv'), { writing: false, dirty: 0 });
  hub.world.publishes.at(-1).leaves.length = 0; // closed, and sent
  await page.getByText('brain42: the archive has all of it already.').waitFor();
  await page.getByRole('region', { name: 'Transfers' }).waitFor({ state: 'detached' });
  assert.deepEqual(await faults(), []);
});

test('the system page says which folders fill the SSD', async (t) => {
  const { page, faults } = await visit(t, '#/system');
  const row = page.getByRole('row', { name: /^brain42 / });
  await row.getByRole('link', { name: 'brain42' }).click();
  await page.getByText('scan.ome.zarr').first().waitFor();
  assert.deepEqual(await faults(), []);
});
