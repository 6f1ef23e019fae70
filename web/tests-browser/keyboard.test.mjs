// What works without a mouse, and what a screen reader is told. Needs `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '../mock/server.mjs';
import { audit } from './audit.mjs';
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

test('who has not signed in is asked to, and the page begins when that is done', async (t) => {
  const other = await start({ signedOut: true });
  const { page, context, faults } = await openPage(browser);
  t.after(async () => {
    await context.close();
    await other.stop();
  });
  await page.goto(`${other.address}/#/data?path=/brain42`, { waitUntil: 'commit' });
  await page.getByRole('heading', { name: 'Sign in to see your data' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'Sign in' }).getAttribute('href'), 'login');
  assert.equal(await page.getByText('Your session has ended').count(), 0);
  assert.equal(await page.getByText('Listing the folder').count(), 0);
  other.options.signedOut = false;
  await page.getByText('scan.ome.zarr').waitFor();
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

// Presses Tab until something has the focus whose name fits, as somebody does who sees where the focus is.
async function tabTo(page, name) {
  const seen = [];
  for (let i = 0; i < 120; i++) {
    await page.keyboard.press('Tab');
    const now = await page.evaluate(() => {
      const e = document.activeElement;
      return (e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent ?? '').trim();
    });
    if (typeof name === 'string' ? now === name : name.test(now)) return;
    seen.push(now.slice(0, 40));
  }
  assert.fail(`${name} is not reached: ${seen.join(' | ')}`);
}

test('from the folder over a run to one of its objects, with keys alone', async (t) => {
  const { page, faults } = await visit(t, '#/data?path=/brain42');
  await page.getByText('scan.ome.zarr').waitFor();
  await tabTo(page, 'Names in this folder');
  const row = () => page.evaluate(() => document.getElementById(document.activeElement.getAttribute('aria-activedescendant') ?? '')?.querySelector('.row-title')?.textContent);
  for (let i = 0; i < 20 && (await row()) !== 'scan.ome.zarr'; i++) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await until(() => page.url().includes('#/view?path=/brain42/scan.ome.zarr'));
  await page.locator('canvas').first().waitFor({ state: 'attached' });
  await tabTo(page, 'Analyse…');
  await page.keyboard.press('Enter');
  await page.getByRole('radio').first().waitFor();
  await tabTo(page, /^nuclei-files/);
  await page.keyboard.press('Space');
  await tabTo(page, /^Diameter/);
  await page.keyboard.press('Control+a');
  await page.keyboard.type('26');
  await page.locator('.run-button[aria-disabled="false"]').waitFor();
  await tabTo(page, 'Run');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'nuclei-files', level: 1, exact: true }).waitFor();
  await tabTo(page, /^(Overview|Results)$/); // the results come by themselves when the run is done
  if (await page.getByRole('tab', { name: 'Overview' }).getAttribute('aria-selected') === 'true') await page.keyboard.press('ArrowRight');
  await page.getByRole('grid', { name: 'nuclei.csv' }).waitFor();
  await tabTo(page, 'nuclei.csv');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByText(/^Object \d+ is chosen\.$/).waitFor();
  assert.deepEqual(await faults(), []);
});

const kPages = [
  ['#/data?path=/brain42', 'scan.ome.zarr', async (page) => {
    await page.locator('.list').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('End');
    await page.locator('.details').waitFor();
  }],
  ['#/data?path=/nowhere', 'does not exist'],
  ['#/find?name=stack&path=/', 'stack_000.mrc'],
  ['#/view?path=/brain42/scan.ome.zarr&labels=nuclei&slices=1&line=300,300,900,700', 'Line profile'],
  ['#/view?path=/volumes/ball.ome.zarr&labels=ball&vol=max', '96 × 96 × 32 voxels'],
  ['#/view?path=/plates/screen-04.ome.zarr&well=B/3', 'Field 1'],
  ['#/run?workflow=nuclei-files&dataset=/brain42/scan-archive.ome.zarr', 'come from the archive'],
  ['#/run?workflow=spots-per-cell', 'Nucleus diameter', async (page) => {
    await page.locator('.run-button').click({ force: true });
    await page.getByText('Choose a dataset.').waitFor();
  }],
  ['#/runs', 'count-nuclei'],
  ['#/runs?run=count-nuclei-20261130T020000Z-qwer', 'smooth'],
  ['#/runs?run=segment-20261129T101500Z-abcd', '1 task failed'],
  ['#/system', 'node-1'],
];

test('each page has names, contrast and room for a finger, light and dark, wide and narrow', async (t) => {
  const { page, faults } = await visit(t, '#/data?path=/');
  const wrong = [];
  for (const [hash, text, act = async () => {}] of kPages) {
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.goto(`${hub.address}/${hash}`);
    await page.getByText(text).or(page.getByLabel(text)).first().waitFor();
    await act(page);
    for (const [width, colorScheme] of [[1280, 'light'], [1280, 'dark'], [400, 'dark'], [400, 'light']]) {
      await page.setViewportSize({ width, height: 800 });
      await page.emulateMedia({ colorScheme });
      for (const what of await audit(page, width === 400)) wrong.push(`${hash} (${width}, ${colorScheme}): ${what}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.deepEqual(await faults(), []);
  // It sees what is wrong.
  await page.setContent('<html lang="en"><body><main><h1>A</h1><img src="data:,"><button></button><p>pale</p><input aria-labelledby="none"></main></body></html>');
  await page.evaluate(() => { document.querySelector('p').style.color = '#aaa'; });
  const found = await audit(page, true);
  for (const what of ['text instead of the picture', 'has no name: <button', 'too small for a finger', 'a contrast of 2.32', 'aria-labelledby names nothing']) assert.ok(found.some((f) => f.includes(what)), `${what}: ${found.join(' | ')}`);
});
