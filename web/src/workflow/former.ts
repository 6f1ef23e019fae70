// What a run was, for running it again: this browser remembers what it has submitted, and the run's folder has the
// file of every run.
import { useQuery } from '@tanstack/react-query';
import { change, query, send, sentence } from '../api/client';
import { joinPath } from '../api/paths';
import { useDetails } from '../api/runs';
import type { Checked, Workflow } from '../api/workflows';
import { submittedAs } from './submitted';
import type { Given } from './values';

export interface Former {
  found: { workflow: Workflow; given: Given } | null;
  pending: boolean;
  problem: string;
}

export function useFormer(run: string, shipped: Workflow[] | undefined): Former {
  const known = run ? submittedAs(run) : undefined;
  const details = useDetails(known ? '' : run, false);
  const folder = details.data?.folder ?? '';
  const file = useQuery({
    queryKey: ['job', folder],
    enabled: folder !== '' && !known,
    staleTime: Infinity,
    retry: 1,
    queryFn: async ({ signal }) => {
      const text = await (await send(`api/file?${query({ path: joinPath(folder, 'job.yaml'), begin: 0, bytes: 2 ** 20 })}`, { signal })).text();
      const checked = await change<Checked>('POST', 'api/workflow/check', { text, values: {} }, signal);
      return { text, checked };
    },
  });
  if (!run) return { found: null, pending: false, problem: '' };
  if (known) {
    const same = shipped?.find((w) => w.text === known.text);
    const workflow = same ?? { name: known.workflow, about: 'the workflow of the earlier run', text: known.text, parameters: known.parameters };
    return { found: { workflow, given: { values: known.values } }, pending: false, problem: '' };
  }
  const error = details.error ?? file.error;
  if (error) {
    const same = shipped?.find((w) => w.name === details.data?.workflow);
    const problem = `The file of the run cannot be read: ${sentence(error)}`;
    return { found: same ? { workflow: same, given: {} } : null, pending: false, problem };
  }
  if (!file.data) return { found: null, pending: true, problem: '' };
  const { text, checked } = file.data;
  return { found: { workflow: { name: checked.workflow || run, about: 'the workflow of the earlier run', text, parameters: checked.parameters }, given: {} }, pending: false, problem: '' };
}
