// The page of a run: steps, failures, log, cancelling, and what it has made. Needs `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '../mock/server.mjs';
import { jobRuns } from '../mock/workflows.mjs';
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
  const run = options.ran ? jobRuns(hub.world, {})[0].run : '';
  await opened.page.goto(`${hub.address}/${hash.replace('RUN', run)}`, { waitUntil: 'commit' });
  return { ...opened, hub, run };
}

test('a run that goes on shows its steps, its workers and its log', async (t) => {
  const { page, faults } = await visit(t, '#/runs?run=count-nuclei-20261130T020000Z-qwer');
  await page.getByRole('cell', { name: 'smooth', exact: true }).waitFor();
  await page.getByRole('img', { name: /^4 workers over/ }).waitFor();
  await page.getByText(/of tasks, one after the other, in/).waitFor();
  await page.getByRole('tab', { name: 'Log' }).click();
  await page.getByText('smooth.block-00 | reading block-00').waitFor();
  await page.getByRole('searchbox', { name: 'Filter lines of the log' }).fill('block-03');
  await page.getByText('smooth.block-00 | reading block-00').waitFor({ state: 'detached' });
  await page.getByRole('tab', { name: 'Log' }).focus();
  await page.keyboard.press('ArrowRight');
  await page.getByText('No report yet').waitFor();
  assert.deepEqual(await faults(), []);
});

test('a failure says why, what to do, and leads to its log', async (t) => {
  const { page, faults } = await visit(t, '#/runs?run=segment-20261129T101500Z-abcd');
  await page.getByText('1 task failed').waitFor();
  await page.getByText('there is no memory for 40 GiB. Exit code 137, after 3 attempts.').waitFor();
  await page.getByText('Give the step more memory').waitFor();
  await page.getByRole('link', { name: 'Its log' }).click();
  await page.getByText('label.B/03 | imgop: there is no memory for 40 GiB').waitFor();
  await page.getByText('smooth.B/01').waitFor({ state: 'detached' });
  await page.getByRole('tab', { name: 'Results' }).click();
  await page.getByText('This run has left no results').waitFor();
  assert.deepEqual(await faults(), []);
});

test('a run is cancelled after a question', async (t) => {
  const { page, hub, faults } = await visit(t, '#/run?workflow=nuclei-files&dataset=/brain42/raw', { agentMs: 0 });
  await page.locator('.run-button[aria-disabled="false"]').click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Keep it running' }).click();
  assert.equal(hub.log.filter((l) => l.path.endsWith('/cancel')).length, 0);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Cancel the run' }).click();
  await page.locator('.run-state-cancelled').waitFor();
  assert.deepEqual(await faults(), []);
});

test('tables are sorted, have histograms, and come from the archive if they must', async (t) => {
  const { page, faults } = await visit(t, '#/runs?run=RUN', { ran: true });
  const grid = page.getByRole('grid', { name: 'nuclei.csv' });
  await grid.waitFor();
  await page.getByRole('img', { name: /^Histogram of volume_vx/ }).waitFor();
  await page.getByRole('button', { name: 'intensity_mean' }).click();
  await page.getByRole('img', { name: /^Histogram of intensity_mean/ }).waitFor();
  const cell = (n) => grid.getByRole('row').nth(1).getByRole('gridcell').nth(n).textContent();
  const least = Number(await cell(10));
  await page.getByRole('button', { name: 'intensity_mean' }).click();
  await grid.locator('[aria-sort="descending"]').waitFor();
  assert.ok(Number(await cell(10)) > least);
  await grid.focus();
  await page.keyboard.press('End');
  await grid.locator('[aria-selected="true"]').waitFor();
  assert.equal(Number(await grid.locator('[aria-selected="true"]').getByRole('gridcell').nth(10).textContent()), least);
  await page.getByRole('combobox', { name: 'Table' }).selectOption('tables/cold.csv');
  await page.getByText(/The table is coming from the archive, about \d s/).waitFor();
  await page.getByRole('grid', { name: 'cold.csv' }).waitFor();
  assert.match(page.url(), /file=.*cold\.csv/);
  await page.getByRole('tab', { name: 'Report' }).click();
  await page.getByText('441 objects in scan.ome.zarr').waitFor();
  assert.deepEqual(await faults(), []);
});

test('results fit a telephone, and pictures and texts are shown', async (t) => {
  const { page, faults } = await visit(t, '#/runs?run=RUN', { ran: true, width: 400 });
  await page.getByRole('grid', { name: 'nuclei.csv' }).waitFor();
  const picture = page.getByRole('img', { name: 'nuclei.png' });
  await picture.scrollIntoViewIfNeeded();
  await page.waitForFunction((e) => e.naturalWidth > 0, await picture.elementHandle());
  await page.locator('summary', { hasText: 'Show' }).click();
  await page.getByText('threshold: 117').waitFor();
  assert.equal(await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)), 400);
  assert.deepEqual(await faults(), []);
});
