import { sentence } from '../api/client';
import { shown } from '../api/paths';
import { useHasTiers, useRuns } from '../api/queries';
import type { Run } from '../api/types';
import { go, newRunLink, runLink } from '../app/route';
import { ago, eta } from '../ui/format';
import { Icon } from '../ui/icons';
import { Message } from '../ui/message';
import { useNow } from '../ui/now';
import { TableBox } from '../ui/table-box';
import { Progress, RunState } from './progress';
import { RunPage } from './run';
import { isOver, statusOf } from './status';
import { Waiting } from './waiting';
import './runs.css';

const kAgoMs = 5000;

// What goes on first, then the newest.
export function sortRuns(runs: Run[]): Run[] {
  return [...runs].sort((a, b) => Number(isOver(a.state)) - Number(isOver(b.state)) || b.updated.localeCompare(a.updated));
}

function Row({ run }: { run: Run }) {
  const s = statusOf(run);
  const note = s.error || (isOver(run.state) ? '' : s.waits_for);
  return (
    <tr className="run-row" onClick={() => go(runLink(run.run))}>
      <td><RunState state={run.state} />{run.agent_gone && <span className="tag">agent gone</span>}</td>
      <td><div className="run-name"><a href={runLink(run.run)} onClick={(e) => e.stopPropagation()}>{shown(run.workflow || run.run)}</a><span className="muted">{note || run.run}</span></div></td>
      <td><Progress done={s.tasks_done} failed={s.tasks_failed} total={s.tasks_total} label="Tasks" /></td>
      <td className="num">{s.tasks_done} / {s.tasks_total}</td>
      <td>{isOver(run.state) ? '' : eta(s.eta_s ?? 0)}</td>
      <td>{ago(run.updated)}</td>
      <td>{run.agent}</td>
    </tr>
  );
}

export function RunsPage({ run, job, ...view }: { run: string; job: string; tab: string; file: string; find: string }) {
  const tiers = useHasTiers();
  const { data, error } = useRuns(job !== ''); // somebody waits for the run to begin
  useNow(kAgoMs);
  if (!tiers) return <Message kind="empty" title="No runs here" text="This hub shows a folder without TierHub." />;
  if (run) return <RunPage key={run} name={run} {...view} />;
  if (job) return <Waiting job={job} runs={data ?? []} />;
  if (!data) {
    if (error) return <Message kind="error" title="The runs are not known" text={sentence(error)} />;
    return <Message kind="wait" title="Asking for the runs" />;
  }
  if (!data.length) return <Message kind="empty" title="No runs yet" text="A run begins here, or when a workflow file is put into a jobs folder that an agent watches."><a className="button button-primary" href={newRunLink()}>New run</a></Message>;
  return (
    <div className="runs">
      <header className="runs-head"><h1>Runs</h1><a className="button" href={newRunLink()}><Icon name="play" /> New run</a></header>
      {error && <p className="bad">{sentence(error)}</p>}
      <TableBox label="Runs">
        <table className="table">
          <thead><tr><th scope="col">State</th><th scope="col">Workflow</th><th scope="col">Progress</th><th scope="col" className="num">Tasks</th><th scope="col">Remaining</th><th scope="col">Reported</th><th scope="col">Agent</th></tr></thead>
          <tbody>{sortRuns(data).slice(0, 1000).map((r) => <Row key={r.run} run={r} />)}</tbody>
        </table>
      </TableBox>
      {data.length > 1000 && <p className="muted">{data.length - 1000} older runs are not shown.</p>}
    </div>
  );
}
