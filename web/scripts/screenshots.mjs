// Pictures of every page, wide and narrow, light and dark, out of the mock: `npm run screenshots [name...]`.
import fs from 'node:fs';
import { start } from '../mock/server.mjs';
import { openBrowser, openPage, withoutWebGl } from '../tests-browser/browser.mjs';

const kPages = {
  datasets: { hash: '#/data?path=/brain42', act: async (p) => { await p.getByText('scan.ome.zarr').waitFor(); await p.locator('.list-row').nth(1).click({ position: { x: 300, y: 40 } }).catch(() => {}); await p.waitForTimeout(900); } },
  residency: { hash: '#/data?path=/brain42', act: async (p) => { await p.locator('.list-row', { hasText: 'overview.ome.zarr' }).locator('.col-size').click(); await p.locator('summary', { hasText: 'What is on the SSD' }).click(); await p.waitForTimeout(900); } },
  'residency-both': { hash: '#/data?path=/volumes', act: async (p) => { await p.locator('.list-row', { hasText: 'movie.ome.zarr' }).locator('.col-size').click(); await p.locator('summary', { hasText: 'What is on the SSD' }).click(); await p.getByRole('combobox', { name: 'What the map shows' }).selectOption('One level by z and t'); await p.waitForTimeout(900); } },
  transfer: { hash: '#/data?path=/brain42', act: async (p) => { await p.getByRole('button', { name: /^Bring to SSD: / }).click(); await p.waitForTimeout(1200); } },
  big: { hash: '#/data?path=/big', act: async (p) => { await p.getByText('frame_000003.tif').waitFor(); } },
  missing: { hash: '#/data?path=/nowhere', act: async (p) => { await p.getByText('does not exist').waitFor(); } },
  viewer: { hash: '#/view?path=/brain42/scan.ome.zarr&labels=nuclei', act: async (p) => { await p.locator('canvas').waitFor({ state: 'attached' }); await p.waitForTimeout(5000); await p.mouse.move(400, 400); await p.waitForTimeout(500); } },
  objects: { options: { ran: true }, hash: '#/runs', act: async (p) => { await p.getByRole('link', { name: 'nuclei-files' }).first().click(); await p.getByRole('row', { name: /scan.ome.zarr/ }).nth(11).click(); await p.getByRole('link', { name: /^Show object/ }).click(); await p.locator('canvas').waitFor({ state: 'attached' }); await p.waitForTimeout(4000); } },
  times: { options: { ran: true, parts: true }, hash: '#/runs', act: async (p) => { await p.getByRole('link', { name: 'nuclei-files' }).first().click(); await p.getByRole('link', { name: 'Show over the image' }).nth(2).click(); await p.locator('canvas').waitFor({ state: 'attached' }); await p.waitForTimeout(4000); } },
  line: { hash: '#/view?path=/brain42/scan.ome.zarr&at=600,600,-0.5&line=300,300,900,700', act: async (p) => { await p.locator('canvas').waitFor({ state: 'attached' }); await p.waitForTimeout(4000); } },
  projection: { hash: '#/view?path=/brain42/scan.ome.zarr&at=600,600,0&proj=max,0,23', act: async (p) => { await p.locator('canvas').waitFor({ state: 'attached' }); await p.waitForTimeout(6000); } },
  slices: { hash: '#/view?path=/brain42/scan.ome.zarr&at=600,600,0&slices=1', act: async (p) => { await p.locator('canvas').first().waitFor({ state: 'attached' }); await p.waitForTimeout(5000); } },
  volume: { hash: '#/view?path=/volumes/ball.ome.zarr&ch=1:4f8bff:0:3000&vol=max,-30,20,0', act: async (p) => { await p.getByText('96 × 96 × 32 voxels').waitFor(); await p.waitForTimeout(6000); } },
  'volume-cold': { hash: '#/view?path=/brain42/scan-archive.ome.zarr&vol=max', act: async (p) => { await p.getByText('of this volume are in the archive').waitFor(); } },
  plate: { hash: '#/view?path=/plates/screen-04.ome.zarr&well=B/3', act: async (p) => { await p.getByRole('complementary').waitFor(); await p.waitForTimeout(1500); } },
  'plate-large': { hash: '#/view?path=/plates/screen-1536.ome.zarr', act: async (p) => { await p.getByText('1,535 wells').waitFor(); await p.waitForTimeout(2500); } },
  plain: { plain: true, hash: '#/view?path=/brain42/scan.ome.zarr', act: async (p) => { await p.locator('canvas').first().waitFor({ state: 'attached' }); await p.waitForTimeout(4000); } },
  cold: { hash: '#/view?path=/brain42/scan-archive.ome.zarr', act: async (p) => { await p.getByText(/coming from the archive/i).waitFor(); await p.waitForTimeout(3000); } },
  form: { hash: '#/run?workflow=nuclei-files&dataset=/brain42/scan-archive.ome.zarr', act: async (p) => { await p.getByText('211 MiB come from the archive').waitFor(); } },
  'form-empty': { hash: '#/run', act: async (p) => { await p.getByText('Choose what to analyse with').waitFor(); } },
  'form-wrong': { hash: '#/run?workflow=spots-per-cell', act: async (p) => { await p.getByLabel('Nucleus diameter').fill('2,5'); await p.getByRole('button', { name: 'Choose' }).click(); await p.getByRole('button', { name: 'brain42' }).click(); await p.getByText('scan.ome.zarr').waitFor(); } },
  'form-text': { options: { broken: true, noAgent: true }, hash: '#/run?workflow=broken&dataset=/brain42', act: async (p) => { await p.getByRole('tab', { name: 'Text (errors)' }).click(); await p.getByText('Line 6, column 5').waitFor(); } },
  'form-big': { options: { capacity: 5e9 }, hash: '#/run?workflow=nuclei-blocks&dataset=/big', act: async (p) => { await p.getByText('larger than the SSD').waitFor(); } },
  runs: { hash: '#/runs', act: async (p) => { await p.getByText('count-nuclei').first().waitFor(); } },
  run: { hash: '#/runs?run=count-nuclei-20261130T020000Z-qwer', act: async (p) => { await p.getByRole('cell', { name: 'smooth', exact: true }).waitFor(); } },
  failed: { hash: '#/runs?run=segment-20261129T101500Z-abcd', act: async (p) => { await p.getByText('1 task failed').waitFor(); } },
  cancel: { hash: '#/runs?run=count-nuclei-20261130T020000Z-qwer&tab=log', act: async (p) => { await p.getByRole('button', { name: 'Cancel' }).click(); await p.waitForTimeout(300); } },
  waiting: { options: { noAgent: true }, hash: '#/runs?job=nuclei-files-k001', act: async (p) => { await p.getByText('is waiting').waitFor(); } },
  results: { options: { ran: true }, hash: '#/runs', act: async (p) => { await p.getByRole('link', { name: 'nuclei-files' }).first().click(); await p.getByRole('row', { name: /scan.ome.zarr/ }).nth(3).click(); await p.waitForTimeout(500); } },
  report: { options: { ran: true }, hash: '#/runs', act: async (p) => { await p.getByRole('link', { name: 'nuclei-files' }).first().click(); await p.getByRole('tab', { name: 'Report' }).click(); await p.getByText('What was measured').waitFor(); } },
  noresults: { hash: '#/runs?run=align-20261128T080000Z-zxcv&tab=results', act: async (p) => { await p.getByText('has been removed').waitFor(); } },
  keep: { hash: '#/data?path=/brain42/raw', act: async (p) => { await p.locator('.list-row', { hasText: 'stack_000' }).locator('.col-size').click(); await p.getByRole('button', { name: 'Keep on SSD…' }).click(); await p.getByRole('button', { name: 'Keep on SSD', exact: true }).click(); await p.getByText('Only root may pin').waitFor(); } },
  stays: { hash: '#/data?path=/brain42/raw', act: async (p) => { await p.locator('.list-row', { hasText: 'stack_000' }).locator('.col-size').click(); await p.locator('summary', { hasText: 'What keeps it' }).click(); await p.getByText('Kept for ada').waitFor(); } },
  publish: { hash: '#/data?path=/brain42', act: async (p) => { await p.getByRole('button', { name: 'Publish: this folder' }).click(); await p.getByText('open for writing by').waitFor(); } },
  share: { hash: '#/data?path=/brain42', act: async (p) => { await p.locator('.list-row', { hasText: 'scan.ome.zarr' }).locator('.col-size').click(); await p.getByRole('button', { name: 'Share…' }).click(); await p.getByRole('button', { name: 'Make a link' }).click(); await p.getByText('You share 1 link').waitFor(); } },
  system: { hash: '#/system', act: async (p) => { await p.getByText('node-1').waitFor(); await p.waitForTimeout(7000); } },
  keys: { hash: '#/system', act: async (p) => { await p.getByText('node-1').waitFor(); await p.keyboard.press('?'); await p.waitForTimeout(300); } },
};

const wanted = process.argv.slice(2);
const folder = new URL('../shots/', import.meta.url).pathname;
fs.mkdirSync(folder, { recursive: true });
const browser = await openBrowser();
try {
  for (const [name, { hash, act, options, plain }] of Object.entries(kPages)) {
    if (wanted.length && !wanted.includes(name)) continue;
    const hub = await start({ bigFolder: 10000, coldMs: 60_000, ...options });
    const { page, context, faults } = await openPage(browser);
    if (plain) await withoutWebGl(page);
    await page.goto(`${hub.address}/${hash}`, { waitUntil: 'commit' });
    await act(page);
    for (const width of [1280, 400])
      for (const scheme of ['light', 'dark']) {
        await page.setViewportSize({ width, height: 800 });
        await page.emulateMedia({ colorScheme: scheme });
        await page.waitForTimeout(400);
        await page.screenshot({ path: `${folder}${name}-${width}-${scheme}.png` });
      }
    for (const f of await faults()) console.log(`${name}: ${f}`);
    await context.close();
    await hub.stop();
  }
} finally {
  await browser.close();
}
