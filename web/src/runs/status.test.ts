import { expect, it } from 'vitest';
import { secondsOf, sortTasks, statusOf, stepsOf, type Task } from './status';

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
