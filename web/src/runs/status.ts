// A run as its agent reports it: Run.json is the text of the run's status.json (docs/WORKFLOWS.md).
import type { Run } from '../api/types';

export interface Task {
  step: string;
  task: string;
  state: string;
  attempts: number;
  slot: number;
  start: string | null;
  end: string | null;
  exit_code: number | null;
  reason: string;
}

export interface RunStatus {
  progress: number;
  tasks_total: number;
  tasks_done: number;
  tasks_failed: number;
  tasks_running: number;
  bytes_staged: number;
  bytes_copied: number;
  eta_s: number | null;
  started: string;
  ended: string | null;
  wall_s: number;
  serial_equivalent_s: number;
  speed_up: number | null; // null: no run with one worker to compare with
  speed_up_against: string; // its name
  busy_processors: number;
  limited_by: string;
  workers: number;
  output: string;
  left_out: string[];
  not_obeyed: string[];
  parameters: Record<string, string | string[]>; // their values
  waits_for: string;
  error: string;
  tasks: Task[] | null; // null: the agent sent none
}

const kEmpty: RunStatus = {
  progress: 0, tasks_total: 0, tasks_done: 0, tasks_failed: 0, tasks_running: 0, bytes_staged: 0, bytes_copied: 0, eta_s: null, started: '', ended: null,
  wall_s: 0, serial_equivalent_s: 0, speed_up: null, speed_up_against: '', busy_processors: 0, limited_by: '', workers: 0, output: '', left_out: [], not_obeyed: [], parameters: {}, waits_for: '', error: '', tasks: null,
};

// Whatever an agent of another version sends, the list of runs stays readable.
export function statusOf(run: Pick<Run, 'json'>): RunStatus {
  try {
    const parsed: unknown = JSON.parse(run.json);
    return statusFrom(parsed && typeof parsed === 'object' ? (parsed as Record<string, unknown>) : {});
  } catch {
    return kEmpty;
  }
}

const kTask: Task = { step: '', task: '', state: '', attempts: 0, slot: 0, start: null, end: null, exit_code: null, reason: '' };

// Tasks are numbered; run.log has the number with zeros in front.
function taskOf(given: unknown): Task {
  const t = { ...kTask, ...(given as Partial<Task>) };
  return { ...t, step: String(t.step), task: typeof t.task === 'number' ? String(t.task).padStart(4, '0') : String(t.task), reason: t.reason || '' };
}

export function statusFrom(given: Record<string, unknown>): RunStatus {
  const out = { ...kEmpty } as Record<string, unknown>;
  for (const [key, usual] of Object.entries(kEmpty)) {
    const value = given[key];
    const fits = Array.isArray(usual) ? Array.isArray(value) : usual === null || typeof value === typeof usual;
    if (value !== undefined && value !== null && fits) out[key] = value;
  }
  for (const key of ['left_out', 'not_obeyed']) out[key] = (out[key] as unknown[]).map((v) => (typeof v === 'string' ? v : Object.values(v as object).join(': ')));
  out.tasks = Array.isArray(out.tasks) ? out.tasks.map(taskOf) : null;
  return out as unknown as RunStatus;
}

export interface Step {
  name: string;
  done: number;
  running: number;
  failed: number;
  started: number; // tasks
  seconds: number; // of the tasks that are done, added up
}

export function stepsOf(tasks: Task[]): Step[] {
  const steps = new Map<string, Step>();
  for (const t of tasks) {
    const s = steps.get(t.step) ?? { name: t.step, done: 0, running: 0, failed: 0, started: 0, seconds: 0 };
    s.started++;
    if (t.state === 'done') s.done++;
    else if (t.state === 'running') s.running++;
    else if (t.state === 'failed') s.failed++;
    if (t.state === 'done') s.seconds += secondsOf(t, 0);
    steps.set(t.step, s);
  }
  return [...steps.values()];
}

export function secondsOf(t: Task, now: number): number {
  if (!t.start) return 0;
  return Math.max(0, ((t.end ? Date.parse(t.end) : now) - Date.parse(t.start)) / 1000);
}

const kUrgency: Record<string, number> = { failed: 0, running: 1 };

// What needs eyes first, then the newest.
export function sortTasks(tasks: Task[]): Task[] {
  return [...tasks].sort((a, b) => (kUrgency[a.state] ?? 2) - (kUrgency[b.state] ?? 2) || (b.start ?? '').localeCompare(a.start ?? ''));
}

export const isOver = (state: string) => ['done', 'failed', 'cancelled'].includes(state);

// What a task wrote last, without what the agent says of it: most programs end with their reason.
export function lastWords(log: string, task: string): string {
  const lines = log.split('\n').flatMap((l) => {
    const cut = l.indexOf(' | ');
    return cut > 0 && l.slice(0, cut).endsWith(` ${task}`) ? [l.slice(cut + 3).trim()] : [];
  });
  return lines.reverse().find((l) => l && !/^(starts: |failed: |is tried again|done in )/.test(l)) ?? '';
}

// What a failed task needs, as far as its end says it.
export function advice(t: Pick<Task, 'exit_code' | 'reason'>): string {
  const reason = t.reason.toLowerCase();
  if (t.exit_code === 127) return 'The program was not found: install it where the agent runs, or write its full path into the workflow.';
  if (t.exit_code === 126) return 'The program may not be executed: check its permissions.';
  if (/halo .*too small/.test(reason)) return 'Run it again with a larger halo (in the workflows of TierHub: the margin), or with a smaller diameter.';
  if (/memory/.test(reason)) return 'Give the step more memory (resources.memory), or use smaller blocks.';
  if (/longer than|time/.test(reason)) return 'Give the step more time (resources.time), or use smaller blocks.';
  if (/no space|no room|quota/.test(reason)) return 'Make room where the results go: the System page shows the SSD.';
  if (/permission|denied/.test(reason)) return 'Ask for the right to read the input and to write where the results go.';
  if (/no such file|does not exist/.test(reason)) return 'Check the dataset, and what the step before has written.';
  if (t.exit_code === 137) return 'It was killed, most likely for want of memory: use smaller blocks, or fewer tasks at a time.';
  return 'The log of the task says more.';
}

export interface Worked {
  at: number; // seconds since the run began
  work: number; // seconds of tasks until then, added up
}

// How much work was done until when. Its slope is the number of tasks that ran at once.
export function workDone(tasks: Task[], from: number, now: number): Worked[] {
  const changes: [number, number][] = [];
  for (const t of tasks) {
    if (!t.start) continue;
    changes.push([Date.parse(t.start), 1], [t.end ? Date.parse(t.end) : now, -1]);
  }
  changes.sort((a, b) => a[0] - b[0]);
  const out: Worked[] = [{ at: 0, work: 0 }];
  let [last, running, work] = [from, 0, 0];
  for (const [at, change] of changes) {
    work += (running * Math.max(0, at - last)) / 1000;
    last = Math.max(last, at);
    running += change;
    out.push({ at: (last - from) / 1000, work });
  }
  return out;
}
