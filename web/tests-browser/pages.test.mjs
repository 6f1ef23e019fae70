// The pages without images, in a browser, against the mock. Needs `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '../mock/server.mjs';
import { openBrowser, openPage } from './browser.mjs';

let hub;
let browser;
before(async () => {
  hub = await start({ bigFolder: 10000 });
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await hub?.stop();
});

async function visit(hash, options) {
  const opened = await openPage(browser, options);
  await opened.page.goto(`${hub.address}/${hash}`, { waitUntil: 'commit' });
  return opened;
}

test('a folder lists its images with their residency, and can be fetched and freed', async () => {
  const { page, context, faults } = await visit('#/data?path=/brain42');
  const row = page.locator('.list-row', { hasText: 'scan-archive.ome.zarr' });
  await row.getByText('2048 × 2048 × 24 · 2 channels · uint16 · OME-Zarr').waitFor();
  await page.getByText('its directory of pages is cut off: copy the file again').first().waitFor();
  await row.getByText('in the archive').waitFor();
  await row.locator('.col-size').click();
  await page.locator('.details').getByRole('button', { name: 'Bring to SSD' }).click();
  await page.getByText('211 MiB on the SSD').waitFor();
  await row.getByText('on SSD', { exact: true }).waitFor();
  await page.locator('.details').getByRole('button', { name: 'Free SSD space' }).click();
  await page.getByText('Freed 211 MiB of the SSD (1 file). The data stays in the archive.').waitFor();
  await row.getByText('in the archive').waitFor();
  assert.deepEqual(await faults(), []);
  await context.close();
});

test('a dataset shows which planes of which level are on the SSD, a file which bytes', async () => {
  const { page, context, faults } = await visit('#/data?path=/brain42');
  await page.locator('.list-row', { hasText: 'overview.ome.zarr' }).locator('.col-size').click();
  await page.locator('summary', { hasText: 'What is on the SSD' }).click();
  await page.getByRole('img', { name: /^level 0: 3\d % on the SSD, 3 of 8 planes whole$/ }).waitFor();
  await page.getByRole('img', { name: /^level 1: 100 % on the SSD, 8 of 8 planes whole$/ }).waitFor();
  await page.getByText('from left to right: planes').waitFor();
  await page.locator('.list-row', { hasText: 'notes.txt' }).locator('.col-size').click();
  await page.locator('summary', { hasText: 'What is on the SSD' }).click();
  await page.getByRole('img', { name: 'notes.txt: 100 % of 2.3 KiB on the SSD' }).waitFor();
  assert.deepEqual(await faults(), []);
  await context.close();
});

test('a film of volumes shows its planes and its time points, each level or both at once', async () => {
  const { page, context, faults } = await visit('#/data?path=/volumes');
  await page.locator('.list-row', { hasText: 'movie.ome.zarr' }).locator('.col-size').click();
  await page.locator('summary', { hasText: 'What is on the SSD' }).click();
  await page.getByRole('img', { name: /^level 0: 19 % on the SSD, 0 of 8 planes whole$/ }).waitFor();
  const what = page.getByRole('combobox', { name: 'What the map shows' });
  await what.selectOption('Levels by time point (t)');
  await page.getByRole('img', { name: /^level 1: 100 % on the SSD, 6 of 6 time points whole$/ }).waitFor();
  await what.selectOption('One level by z and t');
  const map = page.getByRole('img', { name: /^level 0: 19 % on the SSD, 0 of 6 time points whole; planes from left to right/ });
  assert.equal(await map.locator('.strip-hot').count(), 3 * 3);
  await page.getByRole('combobox', { name: 'Level of the map' }).selectOption('level 1');
  assert.equal(await page.getByRole('img', { name: /^level 1: 100 %/ }).locator('.strip-hot').count(), 48);
  assert.deepEqual(await faults(), []);
  await context.close();
});

test('a hub that does not count planes still shows the chunks of an OME-Zarr', async (t) => {
  const old = await start({ oldResidency: true });
  t.after(() => old.stop());
  const { page, context, faults } = await openPage(browser);
  t.after(() => context.close());
  await page.goto(`${old.address}/#/data?path=/brain42`);
  await page.locator('.list-row', { hasText: 'overview.ome.zarr' }).locator('.col-size').click();
  await page.locator('summary', { hasText: 'What is on the SSD' }).click();
  await page.getByRole('img', { name: /^level 0: 3\d % of .* on the SSD, 3 of 8 planes whole$/ }).waitFor();
  assert.deepEqual(await faults(), []);
});

test('a transfer that runs can be cancelled', async () => {
  const { page, context, faults } = await visit('#/data?path=/brain42/raw');
  await page.getByText('stack_000.mrc').waitFor();
  await page.getByRole('button', { name: 'Bring to SSD: this folder' }).click();
  await page.getByText(/ of 6\.0 GiB · 900 MiB\/s · about \d+ s left/).waitFor();
  await page.getByRole('button', { name: 'Cancel raw' }).click();
  await page.locator('.transfer').waitFor({ state: 'detached' });
  assert.equal(hub.world.prefetches.at(-1).state, 'cancelled');
  assert.deepEqual(await faults(), []);
  await context.close();
});

test('10,000 names scroll, filter and obey the keyboard', async () => {
  const { page, context, faults } = await visit('#/data?path=/big');
  await page.getByText('frame_000003.tif').waitFor();
  assert.ok((await page.locator('.list-row').count()) < 60);
  await page.locator('.list').focus();
  await page.keyboard.press('End');
  await page.locator('.list-row-active', { hasText: 'frame_009999.tif' }).waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('004242');
  await page.getByText('frame_004242.tif').waitFor();
  assert.equal(await page.locator('.list-row').count(), 1);
  assert.deepEqual(await faults(), []);
  await context.close();
});

test('strange names survive links, and what is missing says so', async () => {
  const { page, context, faults } = await visit('#/data');
  await page.getByRole('link', { name: 'empty size' }).click();
  await page.getByText('100 % näive #1?.tif').waitFor();
  await page.goto(`${hub.address}/#/data?path=/plates`);
  await page.getByText('name\\xffwith bytes.txt').waitFor();
  await page.goto(`${hub.address}/#/data?path=/nowhere`);
  await page.getByText('There is no /nowhere.').waitFor();
  assert.deepEqual(await faults(), []);
  await context.close();
});

test('runs show how far they are, what they wait for, and why they failed', async () => {
  const { page, context, faults } = await visit('#/runs');
  await page.getByRole('row', { name: /running count-nuclei/ }).getByText('waits until /brain42/scan.ome.zarr').waitFor();
  await page.getByRole('link', { name: 'segment' }).click();
  await page.getByText('Step "label" failed for well B/03: imgop: there is no memory for 40 GiB: use smaller blocks.').waitFor();
  await page.getByRole('tab', { name: 'Tasks' }).click();
  await page.getByRole('cell', { name: 'B/03' }).waitFor();
  await page.goto(`${hub.address}/#/runs?run=align-20261128T080000Z-zxcv`);
  await page.getByText('6 of 6 computed').waitFor();
  await page.getByText('The agent does not report single tasks here').waitFor();
  assert.deepEqual(await faults(), []);
  await context.close();
});

test('a search finds names in the folders below', async () => {
  const { page, context, faults } = await visit('#/data');
  await page.getByRole('link', { name: 'brain42' }).first().waitFor();
  await page.getByRole('searchbox', { name: 'Filter names' }).fill('stack 01');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: '“stack 01” in all data' }).waitFor();
  await page.getByText('3 names').waitFor(); // stack_001, 010, 011
  await page.getByRole('link', { name: '/brain42/raw' }).first().click();
  await page.getByText('stack_000.mrc').waitFor();
  await page.goto(`${hub.address}/#/find?name=nobody-has-this`);
  await page.getByText('Nothing has this name').waitFor();
  assert.deepEqual(await faults(), []);
  await context.close();
});

test('the system page shows tiers, rates and agents', async () => {
  const { page, context, faults } = await visit('#/system');
  await page.getByText('All is well.').waitFor();
  await page.getByText('Eviction starts at 86.0 GiB').waitFor();
  await page.getByRole('cell', { name: 'node-1' }).waitFor();
  await page.locator('.chart-line').first().waitFor({ timeout: 15_000 });
  await page.getByRole('button', { name: /^Colours/ }).click();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  assert.deepEqual(await faults(), []);
  await context.close();
});

test('nothing is wider than a telephone', async () => {
  const { page, context, faults } = await visit('#/data?path=/brain42', { width: 400 });
  await page.getByText('scan.ome.zarr').waitFor();
  const width = () => page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth));
  assert.equal(await width(), 400);
  for (const [hash, text] of [['#/system', 'All is well.'], ['#/runs', 'count-nuclei'], ['#/runs?run=segment-20261129T101500Z-abcd', 'Not obeyed (1)']]) {
    await page.goto(`${hub.address}/${hash}`);
    await page.getByText(text).first().waitFor();
    assert.equal(await width(), 400, hash);
  }
  assert.deepEqual(await faults(), []);
  await context.close();
});
