// What a run was, for running it again: this browser remembers what it has submitted, and the run's folder has the
// file of every run.
import { useQuery } from '@tanstack/react-query';
import { change, sentence } from '../api/client';
import { useDetails } from '../api/runs';
import type { Checked, Values, Workflow } from '../api/workflows';
import { submittedAs } from './submitted';
import type { Given } from './values';

export interface Former {
  found: { workflow: Workflow; given: Given } | null;
  pending: boolean;
  problem: string;
}

const kAbout = 'as the earlier run had it';
const kNone: Former = { found: null, pending: false, problem: '' };

// The file of a run may only name a workflow that comes with TierHub, with its values.
export function formerOf(text: string, checked: Checked, values: Values, shipped: Workflow[]): Former['found'] {
  const same = shipped.find((w) => w.text === text) ?? (checked.errors.length ? shipped.find((w) => w.name === checked.workflow) : undefined);
  return { workflow: same ?? { name: checked.workflow, about: kAbout, text, parameters: checked.parameters ?? [] }, given: { values: { ...checked.values, ...values } } };
}

export function useFormer(run: string, shipped: Workflow[] | undefined): Former {
  const known = run ? submittedAs(run) : undefined;
  const details = useDetails(known ? '' : run);
  const text = details.data?.job ?? '';
  const check = useQuery({
    queryKey: ['check', { text, values: {} }],
    enabled: text !== '',
    queryFn: ({ signal }) => change<Checked>('POST', 'api/workflow/check', { text, values: {} }, signal),
  });
  if (!run) return kNone;
  if (known) {
    const same = shipped?.find((w) => w.text === known.text);
    const workflow = same ?? { name: known.workflow, about: kAbout, text: known.text, parameters: known.parameters };
    return { ...kNone, found: { workflow, given: { values: known.values } } };
  }
  const error = details.error ?? check.error;
  if (error) return { ...kNone, problem: `The file of the run cannot be read: ${sentence(error)}` };
  if (details.data && !text) return { ...kNone, problem: 'The file of the run cannot be read: choose its workflow below.' };
  if (!check.data) return { ...kNone, pending: true };
  const checked = { ...check.data, workflow: check.data.workflow || (details.data?.workflow ?? run) };
  return { ...kNone, found: formerOf(text, checked, details.data?.parameters ?? {}, shipped ?? []) };
}
