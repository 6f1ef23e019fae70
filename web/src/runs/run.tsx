import { useState, type KeyboardEvent } from 'react';
import { sentence } from '../api/client';
import { useDetails } from '../api/runs';
import { shown } from '../api/paths';
import { useRun, useSession } from '../api/queries';
import { newRunLink, replaceHash, runLink } from '../app/route';
import { ago, bytes, date, duration, eta, plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { Message } from '../ui/message';
import { useNow } from '../ui/now';
import { TableBox } from '../ui/table-box';
import { submittedAs } from '../workflow/submitted';
import { CancelRun } from './cancel';
import { Failures } from './failures';
import { Lanes } from './lanes';
import { Log } from './log';
import { Results } from './results';
import { SpeedUp } from './speedup';
import { isOver, secondsOf, sortTasks, statusFrom, statusOf, stepsOf, type RunStatus, type Task } from './status';
import { Bar, Progress, RunState } from './progress';

const kShownTasks = 200;

function Tasks({ tasks, now }: { tasks: Task[]; now: number }) {
  const [all, setAll] = useState(false);
  const sorted = sortTasks(tasks);
  const rows = all ? sorted.slice(0, 5000) : sorted.slice(0, kShownTasks);
  return (
    <>
      <TableBox label="Tasks">
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
      </TableBox>
      {rows.length < sorted.length && <button type="button" className="button" onClick={() => setAll(true)}>Show more of {plural(sorted.length, 'task')}</button>}
    </>
  );
}

function Steps({ tasks }: { tasks: Task[] }) {
  return (
    <TableBox label="Steps">
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
    </TableBox>
  );
}

function facts(s: RunStatus, mount: string): [string, string][] {
  const out: [string, string][] = [
    ['Time', `${duration(s.wall_s)} so far${s.eta_s ? `, ${eta(s.eta_s)}` : ''}`],
  ];
  if (s.ended) out[0] = ['Time', `${duration(s.wall_s)}, ended ${date(s.ended)}`];
  if (s.started) out.push(['Started', date(s.started)]);
  if (s.busy_processors > 0) out.push(['Computed', `${s.busy_processors.toFixed(1)} processors busy on average, ${plural(s.workers, 'worker')}`]);
  if (s.limited_by) out.push(['Limited by', shown(s.limited_by)]);
  if (s.speed_up) out.push(['Speed-up', `${s.speed_up.toFixed(2)} times as fast as ${shown(s.speed_up_against)} with one worker`]);
  const values = Object.entries(s.parameters);
  if (values.length) out.push(['Values', values.map(([k, v]) => `${k} ${shown([v].flat().join(', '))}`).join('; ')]);
  if (s.output) out.push(['Results', shown(mount && s.output.startsWith(`${mount}/`) ? s.output.slice(mount.length) : s.output)]);
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

// What has been brought against what has been computed: whichever lags is what the run waits for.
function Flow({ s, planned }: { s: RunStatus; planned: number }) {
  const tasks = `${s.tasks_done} of ${s.tasks_total} computed${s.tasks_running ? `, ${s.tasks_running} running` : ''}${s.tasks_failed ? `, ${s.tasks_failed} failed` : ''}`;
  const input = `${bytes(s.bytes_staged)}${planned ? ` of ${bytes(planned)}` : ''} on the SSD, of which ${bytes(s.bytes_copied)} came from the archive`;
  return (
    <div className="flow">
      <span className="muted">Input</span>{planned ? <><Bar part={s.bytes_staged / planned} label={`Input: ${input}`} /><span className="flow-text">{input}</span></> : <span className="flow-wide">{input}</span>}
      <span className="muted">Tasks</span><Progress done={s.tasks_done} failed={s.tasks_failed} total={s.tasks_total} label="Tasks" wide /><span className="flow-text">{tasks}</span>
    </div>
  );
}

function Overview({ name, s, now, agent, reported }: { name: string; s: RunStatus; now: number; agent: string; reported: string }) {
  const mount = useSession().data?.mount ?? '';
  return (
    <>
      {s.tasks && <Failures run={name} tasks={s.tasks} />}
      <Flow s={s} planned={submittedAs(name)?.bytes ?? 0} />
      <dl className="facts">{[...facts(s, mount), ['Agent', agent || 'none'] as [string, string], ['Reported', reported] as [string, string]].map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
      <Sentences title="Not used as input" list={s.left_out} />
      <Sentences title="Not obeyed" list={s.not_obeyed} />
      {s.tasks ? (
        <>
          <section aria-labelledby="steps"><h2 id="steps">Steps</h2><Steps tasks={s.tasks} /></section>
          <Lanes tasks={s.tasks} now={now} />
          <SpeedUp tasks={s.tasks} started={s.started} now={now} />
        </>
      ) : (
        <p className="muted">The agent does not report single tasks here: they are in <code>status.json</code> in the run’s folder.</p>
      )}
    </>
  );
}

const kTabs = [['overview', 'Overview'], ['results', 'Results'], ['tasks', 'Tasks'], ['log', 'Log'], ['report', 'Report']] as const;
type Tab = (typeof kTabs)[number][0];

export function RunPage({ name, tab: wanted, file, find }: { name: string; tab: string; file: string; find: string }) {
  const { data: run, error, dataUpdatedAt } = useRun(name);
  const details = useDetails(name);
  const clock = useNow(run && !isOver(run.state) ? 1000 : 0);
  if (!run) {
    if (error) return <Message kind="error" title="This run is not known" text={sentence(error)}><a className="button" href="#/runs">All runs</a></Message>;
    return <Message kind="wait" title="Asking for the run" />;
  }
  // The folder of the run knows its tasks; tierd knows what the agent has reported.
  const s = details.data ? statusFrom(details.data) : statusOf(run);
  const over = isOver(run.state) && isOver(details.data?.state ?? run.state);
  const now = over ? dataUpdatedAt : Math.max(clock, dataUpdatedAt);
  const known = kTabs.find(([key]) => key === wanted)?.[0];
  const tab: Tab = known ?? (run.state === 'done' && details.data ? 'results' : 'overview');
  const show = (key: Tab) => replaceHash(runLink(name, key));
  const onKeyDown = (e: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    const next = kTabs[(kTabs.findIndex(([key]) => key === tab) + step + kTabs.length) % kTabs.length]![0];
    show(next);
    document.getElementById(`run-tab-${next}`)?.focus();
  };
  const missing = details.error ? sentence(details.error) : '';
  const body = () => {
    if (tab === 'overview') return <Overview name={name} s={s} now={now} agent={run.agent} reported={ago(run.updated)} />;
    if (missing && !details.data) return <Message kind="error" title="The folder of this run cannot be read" text={missing} />;
    if (tab === 'results') return <Results run={name} over={over} file={file} />;
    if (tab === 'log') return <Log run={name} live={!over} find={find} />;
    if (tab === 'report') return details.data?.report ? <pre className="log-text report">{shown(details.data.report)}</pre> : <Message kind="empty" title="No report yet" text="It is written when the run ends." />;
    return s.tasks?.length ? <Tasks tasks={s.tasks} now={now} /> : <Message kind="empty" title="No task has started yet" text={s.waits_for ? sentence(s.waits_for) : undefined} />;
  };
  return (
    <div className="runs run-one">
      <a href="#/runs">All runs</a>
      <header className="run-head">
        <h1>{shown(run.workflow || run.run)}</h1><RunState state={run.state} /><span className="muted">{run.run}</span>
        <span className="run-actions">
          <a className="button" href={newRunLink({ from: run.run })}><Icon name="play" /> Run again with other values</a>
          {!over && <CancelRun run={name} done={s.tasks_done} total={s.tasks_total} />}
        </span>
      </header>
      <Progress done={s.tasks_done} failed={s.tasks_failed} total={s.tasks_total} label="Tasks" wide />
      {run.agent_gone && !over && <p className="health health-bad"><Icon name="warning" /> The agent on {run.agent} has not been heard since {date(run.agent_gone)}. The run continues when it is started again.</p>}
      {s.error && <p className="health health-bad" role="alert"><Icon name="warning" /> {sentence(s.error)}</p>}
      {s.waits_for && !over && <p className="health health-waits" role="status">{sentence(s.waits_for)}</p>}
      <div className="run-tabs" role="tablist" aria-label="Parts of the run" onKeyDown={onKeyDown}>
        {kTabs.map(([key, text]) => <button key={key} type="button" role="tab" id={`run-tab-${key}`} aria-selected={tab === key} aria-controls="run-part" tabIndex={tab === key ? 0 : -1} onClick={() => show(key)}>{text}</button>)}
      </div>
      <div id="run-part" className="run-part" role="tabpanel" aria-labelledby={`run-tab-${tab}`}>{body()}</div>
    </div>
  );
}
