import { expect, it } from 'vitest';
import type { ResultFile } from '../api/runs';
import { below, firstTable, tableOf } from './pairs';
import { advice, lastWords, secondsOf, sortTasks, statusOf, stepsOf, workDone, type Task } from './status';
import { delayText } from './waiting';

const task = (step: string, state: string, start: string, end: string | null = null): Task => ({ step, task: '', state, attempts: 1, slot: 0, start, end, exit_code: null, reason: '' });

it('a report that is not as expected leaves a readable run', () => {
  for (const json of ['', 'x', 'null', '[1]', '{"tasks_total": "8", "error": 5, "tasks": {"total": 8}}']) {
    expect(statusOf({ json })).toMatchObject({ tasks_total: 0, error: '', tasks: null });
  }
});

it('a report is read, and lists become sentences', () => {
  const json = JSON.stringify({ tasks_total: 8, tasks_done: 3, eta_s: 12.5, left_out: [{ path: '/a', reason: 'growing' }, 'b'], tasks: [task('s', 'done', '')] });
  expect(statusOf({ json })).toMatchObject({ tasks_total: 8, tasks_done: 3, eta_s: 12.5, left_out: ['/a: growing', 'b'], ended: null });
});

it('tasks are numbers, and most have no reason', () => {
  const json = JSON.stringify({ tasks: [{ step: 'a', task: 12, state: 'done' }, { step: 'b', task: 'well', state: 'failed', reason: 'x' }] });
  expect(statusOf({ json }).tasks).toMatchObject([{ step: 'a', task: '0012', reason: '', start: null }, { step: 'b', task: 'well', reason: 'x' }]);
});

it('steps add up their tasks', () => {
  const at = (s: number) => new Date(s * 1000).toISOString();
  const tasks = [task('a', 'done', at(0), at(10)), task('a', 'running', at(5)), task('b', 'failed', at(7), at(9))];
  expect(stepsOf(tasks)).toEqual([
    { name: 'a', done: 1, running: 1, failed: 0, started: 2, seconds: 10 },
    { name: 'b', done: 0, running: 0, failed: 1, started: 1, seconds: 0 },
  ]);
  expect(secondsOf(tasks[1]!, 20_000)).toBe(15);
  expect(sortTasks(tasks).map((t) => t.state)).toEqual(['failed', 'running', 'done']);
});

it('a failed task says what to do', () => {
  const of = (exit_code: number | null, reason: string) => advice({ exit_code, reason });
  expect(of(127, '')).toContain('not found');
  expect(of(null, 'it used more than 4 GiB of memory')).toContain('resources.memory');
  expect(of(null, 'it took longer than 90 s')).toContain('resources.time');
  expect(of(137, '')).toContain('killed');
  expect(of(1, 'imgop: the halo z=16 is too small: blocks are exact only from z=54 on')).toContain('larger halo');
  expect(of(1, '')).toBe('The log of the task says more.');
});

it('the reason of a failure is what its program wrote last', () => {
  const log = '1Z segment.0000 | starts: imgop segment\n2Z segment.0000 | imgop: the halo is too small\n3Z segment.0000 | failed: exit code 1\n4Z segment.0001 | done in 1 s\nno line';
  expect([lastWords(log, 'segment.0000'), lastWords(log, 'segment.0001'), lastWords('', 'a.0')]).toEqual(['imgop: the halo is too small', '', '']);
});

it('work adds up with as many tasks as ran at once', () => {
  const at = (s: number) => new Date(s * 1000).toISOString();
  const tasks = [task('a', 'done', at(10), at(14)), task('a', 'done', at(10), at(12)), task('b', 'running', at(14))];
  expect(workDone(tasks, 8000, 16_000).at(-1)).toEqual({ at: 8, work: 8 });
  expect(workDone(tasks, 8000, 16_000).find((p) => p.at === 4)).toEqual({ at: 4, work: 4 });
  expect(workDone([], 0, 9)).toEqual([{ at: 0, work: 0 }]);
});

it('labels find the table of their objects', () => {
  const file = (path: string, kind: ResultFile['kind'], size = 1): ResultFile => ({ path, kind, size, of: '' });
  const labels = file('/r/labels/d1/a.ome.zarr', 'labels');
  const files = [labels, file('/r/images.csv', 'table', 5), file('/r/nuclei.csv', 'table', 90), file('/r/tables/d1/b.csv', 'table', 200)];
  expect(tableOf(labels, files)).toBe('/r/nuclei.csv');
  expect(tableOf(labels, [...files, file('/r/tables/d1/a.csv', 'table')])).toBe('/r/tables/d1/a.csv');
  expect([tableOf(labels, [labels]), firstTable(files), below('/r', '/r/x/y'), below('/r', '/s')]).toEqual(['', '/r/nuclei.csv', 'x/y', '/s']);
});

it('a job that waits says why', () => {
  expect([delayText('no folder', 1, 0), delayText('', 0, 0), delayText('', null, 0), delayText('', 1, 60)].map((t) => t.slice(0, 12))).toEqual(['no folder', 'No agent run', '', 'The agent wo']);
});
