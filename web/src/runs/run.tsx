import { useState } from 'react';
import { sentence } from '../api/client';
import { shown } from '../api/paths';
import { useRun } from '../api/queries';
import { newRunLink } from '../app/route';
import { ago, bytes, date, duration, eta, number, plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { Message } from '../ui/message';
import { Lanes } from './lanes';
import { isOver, secondsOf, sortTasks, statusOf, stepsOf, type RunStatus, type Task } from './status';
import { Progress, RunState } from './progress';

const kShownTasks = 200;

function Tasks({ tasks, now }: { tasks: Task[]; now: number }) {
  const [all, setAll] = useState(false);
  const sorted = sortTasks(tasks);
  const rows = all ? sorted.slice(0, 5000) : sorted.slice(0, kShownTasks);
  return (
    <>
      <div className="table-box">
        <table className="table">
          <thead><tr><th scope="col">State</th><th scope="col">Step</th><th scope="col">Task</th><th scope="col" className="num">Time</th><th scope="col" className="num">Attempts</th><th scope="col">Reason</th></tr></thead>
          <tbody>
            {rows.map((t) => (
              <tr key={`${t.step} ${t.task}`}>
                <td><RunState state={t.state} /></td><td>{shown(t.step)}</td><td className="path">{shown(t.task)}</td><td className="num">{t.start ? duration(secondsOf(t, now)) : ''}</td><td className="num">{t.attempts}</td>
                <td className="task-reason">{t.reason}{t.exit_code ? ` (exit code ${t.exit_code})` : ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length < sorted.length && <button type="button" className="button" onClick={() => setAll(true)}>Show more of {plural(sorted.length, 'task')}</button>}
    </>
  );
}

function Steps({ tasks }: { tasks: Task[] }) {
  return (
    <div className="table-box">
      <table className="table">
        <thead><tr><th scope="col">Step</th><th scope="col">Tasks that have started</th><th scope="col" className="num">Done</th><th scope="col" className="num">Running</th><th scope="col" className="num">Failed</th><th scope="col" className="num">A task takes</th></tr></thead>
        <tbody>
          {stepsOf(tasks).map((s) => (
            <tr key={s.name}>
              <td>{shown(s.name)}</td><td><Progress done={s.done} failed={s.failed} total={s.started} label={`Step ${s.name}`} /></td>
              <td className="num">{s.done}</td><td className="num">{s.running}</td><td className={s.failed ? 'num bad' : 'num'}>{s.failed}</td><td className="num">{s.done ? duration(s.seconds / s.done) : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function facts(s: RunStatus): [string, string][] {
  const out: [string, string][] = [
    ['Tasks', `${s.tasks_done} of ${s.tasks_total} computed${s.tasks_running ? `, ${s.tasks_running} running` : ''}${s.tasks_failed ? `, ${s.tasks_failed} failed` : ''}`],
    ['Input', `${bytes(s.bytes_staged)} on the SSD, of which ${bytes(s.bytes_copied)} came from the archive`],
    ['Time', `${duration(s.wall_s)} so far${s.eta_s ? `, ${eta(s.eta_s)}` : ''}`],
  ];
  if (s.ended) out[2] = ['Time', `${duration(s.wall_s)}, ended ${date(s.ended)}`];
  if (s.started) out.push(['Started', date(s.started)]);
  if (s.speed_up > 0) out.push(['Speed-up', `${number(s.speed_up)} times as fast as one task after the other, on ${plural(s.workers, 'worker')}`]);
  if (s.output) out.push(['Results', shown(s.output)]);
  return out;
}

function Sentences({ title, list }: { title: string; list: string[] }) {
  if (!list.length) return null;
  return (
    <details>
      <summary>{title} ({list.length})</summary>
      <ul className="sentences">{list.slice(0, 500).map((l, i) => <li key={i}>{shown(l)}</li>)}</ul>
    </details>
  );
}

export function RunPage({ name }: { name: string }) {
  const { data: run, error, dataUpdatedAt } = useRun(name);
  if (!run) {
    if (error) return <Message kind="error" title="This run is not known" text={sentence(error)}><a className="button" href="#/runs">All runs</a></Message>;
    return <Message kind="wait" title="Asking for the run" />;
  }
  const s = statusOf(run);
  return (
    <div className="runs">
      <a href="#/runs">All runs</a>
      <header className="run-head"><h1>{shown(run.workflow || run.run)}</h1><RunState state={run.state} /><span className="muted">{run.run}</span><a className="button" href={newRunLink({ from: run.run })}><Icon name="play" /> Run again with other values</a></header>
      <Progress done={s.tasks_done} failed={s.tasks_failed} total={s.tasks_total} label="Tasks" wide />
      {run.agent_gone && <p className="health health-bad"><Icon name="warning" /> The agent on {run.agent} has not been heard since {date(run.agent_gone)}. The run continues when it is started again.</p>}
      {s.error && <p className="health health-bad" role="alert"><Icon name="warning" /> {sentence(s.error)}</p>}
      {s.waits_for && !isOver(run.state) && <p className="health health-waits" role="status">{sentence(s.waits_for)}</p>}
      <dl className="facts">{[...facts(s), ['Agent', run.agent || 'none'] as [string, string], ['Reported', ago(run.updated)] as [string, string]].map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
      <Sentences title="Not used as input" list={s.left_out} />
      <Sentences title="Not obeyed" list={s.not_obeyed} />
      {s.tasks ? (
        <>
          <Lanes tasks={s.tasks} now={dataUpdatedAt} />
          <section aria-labelledby="steps"><h2 id="steps">Steps</h2><Steps tasks={s.tasks} /></section>
          <section aria-labelledby="tasks"><h2 id="tasks">Tasks</h2><Tasks tasks={s.tasks} now={dataUpdatedAt} /></section>
        </>
      ) : (
        <p className="muted">The agent does not report single tasks here: they are in <code>status.json</code> in the run’s folder.</p>
      )}
    </div>
  );
}
