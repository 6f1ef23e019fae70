// What this browser has submitted, so that a run can be repeated with other values and its data be put in proportion.
import type { Job, Param } from '../api/workflows';

export interface Submitted extends Job {
  job: string;
  workflow: string;
  parameters: Param[];
  bytes: number; // of the input, as planned; 0: not known
}

const kKey = 'tierhub.submitted';
const kMost = 50;

function read(): Submitted[] {
  try {
    const all: unknown = JSON.parse(localStorage.getItem(kKey) ?? '[]');
    return Array.isArray(all) ? (all as Submitted[]).filter((s) => typeof s?.job === 'string' && typeof s.text === 'string' && typeof s.values === 'object' && Array.isArray(s.parameters)) : [];
  } catch {
    return []; // storage may be forbidden, or hold something else
  }
}

export function remember(one: Submitted): void {
  try {
    localStorage.setItem(kKey, JSON.stringify([one, ...read().filter((s) => s.job !== one.job)].slice(0, kMost)));
  } catch {
    // The run goes on all the same.
  }
}

// The agent names a run after its job, with the time and four letters.
export const isRunOf = (run: string, job: string) => run.startsWith(`${job}-`);

export function submittedAs(run: string): Submitted | undefined {
  return read().find((s) => isRunOf(run, s.job));
}
