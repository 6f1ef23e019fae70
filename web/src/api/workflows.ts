// Workflows that can be run, what a run of one would do, and what a run has made.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { change, get } from './client';

// Several datasets are a list.
export type Value = string | number | boolean | string[];
export type Values = Record<string, Value>;

export interface Param {
  name: string;
  type: 'integer' | 'number' | 'string' | 'boolean' | 'dataset';
  description?: string;
  default?: Value; // absent: a value is required
  minimum?: number;
  maximum?: number;
  unit?: string;
  enum?: Value[];
}

export interface Workflow {
  name: string;
  about: string;
  text: string;
  parameters: Param[];
}

export interface Workflows {
  workflows: Workflow[];
  folder: string;
  problem: string; // why no job can be submitted; "": it can
}

export interface Mistake {
  line: number; // 0: about the value of a parameter
  column: number;
  message: string;
  hint?: string;
  parameter?: string;
}

export interface Checked {
  workflow: string;
  parameters?: Param[];
  values?: Values;
  errors: Mistake[];
}

export interface PlannedStep {
  id: string;
  tasks: number;
  cpus: number;
  memory_bytes: number | null;
  memory_from: 'estimate' | 'guess' | 'workflow' | '';
  memory_note?: string; // why it is not known, or a guess
  program: string;
}

export interface Plan {
  workflow: string;
  errors: Mistake[];
  items: number;
  tasks: number;
  steps: PlannedStep[];
  bytes: number;
  resident_bytes: number;
  bytes_to_bring: number;
  capacity_bytes: number | null;
  free_bytes: number | null;
  output: string;
  left_out: string[];
  warnings: string[];
}

export interface Job {
  text: string;
  values: Values;
}

export const useWorkflows = () =>
  useQuery({ queryKey: ['workflows'], queryFn: ({ signal }) => get<Workflows>('api/workflows', signal), refetchInterval: 10_000 });

// Both are cancelled when another job is asked about.
export const useCheck = (job: Job | null) =>
  useQuery({
    enabled: job !== null,
    queryKey: ['check', job],
    queryFn: ({ signal }) => change<Checked>('POST', 'api/workflow/check', job, signal),
    staleTime: 60_000,
    placeholderData: keepPreviousData,
  });

export const usePlan = (job: Job | null) =>
  useQuery({
    enabled: job !== null,
    queryKey: ['plan', job],
    queryFn: ({ signal }) => change<Plan>('POST', 'api/workflow/plan', job, signal),
    staleTime: 10_000,
    placeholderData: keepPreviousData,
  });

// What is wrong and, if somebody knows, what is meant.
export const mistakeText = (m: Mistake) => (m.hint ? `${m.message}: ${m.hint}` : m.message);

// The name of the job; an Error with what is wrong, if the workflow is refused.
export async function submit(job: Job, name: string): Promise<string> {
  const answer = await change<{ job?: string; errors?: Mistake[] }>('POST', 'api/workflow/run', name ? { ...job, name } : job);
  if (answer.job) return answer.job;
  throw new Error(answer.errors?.map(mistakeText).join('; ') || 'the job was not taken');
}
