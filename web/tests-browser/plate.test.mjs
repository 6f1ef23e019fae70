// Plates, in a browser, against the mock. Needs `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '../mock/server.mjs';
import { openBrowser, openPage, statistics } from './browser.mjs';

let browser;
before(async () => {
  browser = await openBrowser();
});
after(async () => browser?.close());

async function visit(t, hash, { width, scheme, ...options } = {}) {
  const hub = await start(options);
  const opened = await openPage(browser, { width, scheme });
  t.after(async () => {
    await opened.context.close();
    await hub.stop();
  });
  await opened.page.goto(`${hub.address}/${hash}`, { waitUntil: 'commit' });
  return { ...opened, hub };
}

async function until(what, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await what();
    if (value) return value;
    assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`);
    await new Promise((later) => setTimeout(later, 50));
  }
}
const well = (page, name) => page.getByRole('gridcell', { name: new RegExp(`^${name}: `) });

test('a plate is opened from its folder; a well shows its fields, a field is an image', async (t) => {
  const { page, hub, faults } = await visit(t, '#/data?path=/plates');
  const row = page.locator('.list-row', { hasText: 'screen-04.ome.zarr' });
  await row.getByText('plate', { exact: true }).waitFor();
  await row.getByRole('link').click();
  await page.getByRole('heading', { level: 1, name: 'Screen 4' }).waitFor();
  await page.getByText('23 wells, 46 fields').waitFor();
  await page.getByRole('gridcell', { name: 'A3: 2 fields, on SSD' }).waitFor();
  await page.getByRole('gridcell', { name: 'C2: not imaged' }).waitFor();
  await page.getByRole('gridcell', { name: 'D6: 2 fields, in the archive' }).click();
  await until(() => /path=\/plates\/screen-04\.ome\.zarr&well=D\/6/.test(page.url()));
  const fields = page.getByRole('complementary', { name: 'Fields of D6' });
  await fields.getByRole('link', { name: 'Field 2' }).waitFor();
  assert.equal(await fields.getByRole('img', { name: /^0 % on SSD/ }).count(), 1);
  assert.deepEqual(hub.log.filter((l) => /thumbnail.*[CD]%2F\d/.test(l.path)).map((l) => l.path), [], 'pictures of cold wells were asked for');
  await page.getByRole('gridcell', { name: 'A3: 2 fields, on SSD' }).click();
  await page.getByRole('complementary', { name: 'Fields of A3' }).getByRole('link', { name: 'Field 2' }).click();
  await page.getByText('Field 2 of 2').waitFor();
  await page.getByRole('link', { name: 'Well A3' }).waitFor();
  assert.deepEqual(await faults(), []);
});

test('wells are walked with the keyboard, in the plate and in the viewer', async (t) => {
  const { page, faults } = await visit(t, '#/view?path=/plates/screen-04.ome.zarr');
  await well(page, 'A1').waitFor();
  await page.getByRole('grid', { name: 'Wells of Screen 4' }).focus();
  await page.keyboard.press('ArrowDown'); // onto the first
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown'); // over C2, which was not imaged
  await until(() => /well=D\/2/.test(page.url()));
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-activedescendant')), 'well-D/2');
  await page.keyboard.press('Home');
  await page.keyboard.press(']');
  await until(() => /well=A\/2/.test(page.url()));
  await page.keyboard.press('Enter');
  await page.getByText('Field 1 of 2').waitFor();
  await page.locator('canvas').first().waitFor({ state: 'attached' });
  await page.keyboard.press('2'); // one channel less
  await until(() => /ch=/.test(page.url()));
  await page.keyboard.press(']');
  await page.getByRole('link', { name: 'Well A3' }).waitFor();
  assert.match(page.url(), /screen-04\.ome\.zarr\/A\/3\/0&.*ch=1:4f8bff,0:ff9d2e/);
  await page.keyboard.press('}');
  await page.getByText('Field 2 of 2').waitFor();
  await page.keyboard.press('[');
  await until(() => /screen-04\.ome\.zarr\/A\/2\/1&/.test(page.url()));
  await page.getByRole('link', { name: 'Well A2' }).click();
  await page.getByRole('complementary', { name: 'Fields of A2' }).waitFor();
  assert.deepEqual(await faults(), []);
});

test('a well is the picture of its pixels', async (t) => {
  const { page, faults } = await visit(t, '#/view?path=/plates/screen-04.ome.zarr/A/1/0');
  const canvas = page.locator('canvas').first();
  await canvas.waitFor({ state: 'attached' });
  const clip = await canvas.boundingBox();
  await until(async () => (await statistics(page, clip)).bright > 0.04);
  await page.getByRole('button', { name: 'Next well' }).click();
  await page.getByRole('link', { name: 'Well A2' }).waitFor();
  await until(async () => (await statistics(page, clip)).bright > 0.04);
  assert.deepEqual(await faults(), []);
});

test('1536 wells of 9 fields stay smooth: only what is seen is in the page', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/plates/screen-1536.ome.zarr');
  await page.getByText('1,535 wells, 13,815 fields').waitFor();
  await well(page, 'A1').waitFor();
  assert.ok((await page.getByRole('gridcell').count()) < 350, 'all wells are in the page');
  await page.getByRole('grid').focus();
  const long = await page.evaluate(() => new Promise((done) => {
    window.longest = 0;
    new PerformanceObserver((list) => { for (const e of list.getEntries()) window.longest = Math.max(window.longest, e.duration); }).observe({ entryTypes: ['longtask'] });
    setTimeout(() => done(window.longest), 500);
  }));
  for (let i = 0; i < 20; i++) await page.keyboard.press('ArrowRight');
  await page.keyboard.press('End');
  await until(() => /well=AF\/48/.test(page.url()));
  await page.getByRole('gridcell', { name: /^AF48: 9 fields/ }).waitFor();
  await page.getByRole('complementary', { name: 'Fields of AF48' }).getByText('Field 9').waitFor();
  const longest = await page.evaluate(() => window.longest);
  assert.ok(Math.max(long, longest) < 1000, `the page stood still for ${longest} ms`);
  const rows = hub.log.filter((l) => /api\/v1\/ls.*screen-1536/.test(l.path)).map((l) => l.path);
  assert.ok(new Set(rows).size < 32, 'rows were asked for that nobody sees');
  await page.getByRole('combobox', { name: 'Wells are shown as' }).selectOption('overview');
  await until(async () => (await page.getByRole('gridcell').count()) > 500);
  assert.deepEqual(await faults(), []);
});

test('a plate whose metadata is in the archive says so, and opens when it is here; a telephone shows it', async (t) => {
  const { page, faults } = await visit(t, '#/view?path=/plates/screen-04.ome.zarr&well=B/2', { coldPlate: 4000, width: 400, scheme: 'dark' });
  await page.getByText(/^Coming from the archive, about \d s\.$/).waitFor();
  await page.getByRole('complementary', { name: 'Fields of B2' }).waitFor();
  assert.equal(await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)), 400);
  assert.deepEqual(await faults(), []);
});
