import { useEffect, useState } from 'react';
import { sentence } from '../api/client';
import { useAgents } from '../api/queries';
import type { Run } from '../api/types';
import { useWorkflows } from '../api/workflows';
import { replaceHash, runLink } from '../app/route';
import { Message } from '../ui/message';
import { isRunOf } from '../workflow/submitted';

// Why a job may not become a run soon; "": nothing is known against it.
export function delayText(problem: string, agents: number | null, seconds: number): string {
  if (problem) return problem;
  if (agents === 0) return 'No agent runs: the run begins when one is started.';
  return seconds > 20 ? 'The agent works on up to 64 runs at a time: later ones wait for their turn.' : '';
}

// Between Run and the moment when the agent has taken the job.
export function Waiting({ job, runs }: { job: string; runs: Run[] }) {
  const agents = useAgents();
  const workflows = useWorkflows();
  const [began] = useState(() => Date.now());
  const [now, setNow] = useState(began);
  const run = runs.find((r) => isRunOf(r.run, job))?.run;
  useEffect(() => {
    if (run) replaceHash(runLink(run));
  }, [run]);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const alive = agents.data ? agents.data.filter((a) => !a.gone).length : null;
  const why = delayText(workflows.data?.problem ?? '', alive, (now - began) / 1000);
  return (
    <Message kind="wait" title={`${job} is waiting for the agent to take it`} text={why ? sentence(why) : 'This takes a few seconds.'}>
      <a className="button" href="#/runs">All runs</a>
    </Message>
  );
}
