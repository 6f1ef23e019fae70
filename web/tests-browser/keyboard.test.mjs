// What works without a mouse, and what a screen reader is told. Needs `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '../mock/server.mjs';
import { openBrowser, openPage } from './browser.mjs';

let hub;
let browser;
before(async () => {
  hub = await start({ ran: true });
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await hub?.stop();
});

async function visit(t, hash) {
  const opened = await openPage(browser);
  t.after(() => opened.context.close());
  await opened.page.goto(`${hub.address}/${hash}`, { waitUntil: 'commit' });
  return opened;
}

async function until(what, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    if (await what()) return;
    assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`);
    await new Promise((later) => setTimeout(later, 50));
  }
}

// Tab from the beginning of the page to its end: what gets the focus, whether one sees that, and what has no name.
async function walk(page) {
  await page.evaluate(() => document.querySelector('.skip').focus());
  const names = [];
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press('Tab');
    const found = await page.evaluate(() => {
      const e = document.activeElement;
      if (!e || e === document.body) return null;
      const style = getComputedStyle(e);
      const name = (e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent ?? '').trim();
      return { name, seen: parseFloat(style.outlineWidth) > 0 && style.outlineStyle !== 'none', html: e.outerHTML.slice(0, 120) };
    });
    if (!found) break;
    assert.ok(found.name, `this has no name: ${found.html}`);
    assert.ok(found.seen || found.name === 'Skip to the content', `the focus on this is not seen: ${found.html}`);
    if (names[0] === found.name) break;
    names.push(found.name);
  }
  return names;
}

test('every control is reached by Tab, has a name, and shows the focus', async (t) => {
  const { page, faults } = await visit(t, '#/data?path=/brain42');
  await page.getByText('scan.ome.zarr').waitFor();
  await page.locator('.list').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('End');
  await page.locator('.details').waitFor();
  const names = await walk(page);
  for (const name of ['Datasets', 'Filter names', 'Bring to SSD: this folder', 'Publish: this folder', 'Names in this folder', 'View', 'Share…', 'Keep on SSD…', 'Publish now', 'Close the details', 'What keeps it on the SSD']) assert.ok(names.includes(name), `${name} is not reached: ${names.join(' | ')}`);
  for (const [hash, text] of [['#/system', 'SSD by folder'], ['#/runs', 'count-nuclei'], ['#/run?workflow=nuclei-files', 'Name of the run']]) {
    await page.goto(`${hub.address}/${hash}`);
    await page.getByText(text).first().waitFor();
    assert.ok((await walk(page)).length > 8, hash);
  }
  assert.deepEqual(await faults(), []);
});

test('the viewer is used without a mouse', async (t) => {
  const { page, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr&at=600,600,0');
  await page.locator('canvas').first().waitFor({ state: 'attached' });
  assert.equal(await page.title(), 'scan.ome.zarr · TierHub');
  await page.getByRole('heading', { level: 1, name: 'scan.ome.zarr' }).waitFor();
  await page.locator('main').focus();
  await page.keyboard.press('Control+ArrowRight');
  await until(() => /at=8\d\d(\.\d)?,600,0/.test(page.url()));
  await page.keyboard.press('m');
  await page.getByText('or press Enter for a line across the middle').waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('region', { name: 'Line profile' }).waitFor();
  const names = await walk(page);
  for (const name of ['Share this image', 'Copy a link to this view', 'Show DAPI', 'DAPI: white at', 'Plane', 'Remove the line']) assert.ok(names.includes(name), `${name} is not reached: ${names.join(' | ')}`);
  assert.deepEqual(await faults(), []);
});

test('the focus goes into a dialog, stays there, and returns', async (t) => {
  const { page, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr');
  await page.getByRole('button', { name: 'Share this image' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Share this image' });
  await dialog.waitFor();
  assert.ok(await dialog.evaluate((d) => d.contains(document.activeElement)));
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Share this image');
  assert.deepEqual(await faults(), []);
});
