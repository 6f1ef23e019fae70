import { shown } from '../api/paths';
import { useLog } from '../api/runs';
import { runLink } from '../app/route';
import { plural } from '../ui/format';
import { advice, lastWords, type Task } from './status';

const kShown = 50;
const kTail = 2 ** 20;

// "exit code 1" is no reason; what the program wrote is one.
function reasonOf(t: Task, log: string): string {
  const said = lastWords(log, `${t.step}.${t.task}`);
  const given = /^exit code \d+$/.test(t.reason) ? '' : t.reason;
  return [given, said && !given.includes(said) ? said : ''].filter(Boolean).map((r) => `${shown(r).replace(/[.!?]$/, '')}.`).join(' ') || 'It gave no reason.';
}

export function Failures({ run, tasks }: { run: string; tasks: Task[] }) {
  const failed = tasks.filter((t) => t.state === 'failed');
  return failed.length ? <Failed run={run} failed={failed} /> : null;
}

function Failed({ run, failed }: { run: string; failed: Task[] }) {
  const log = useLog(run, kTail, false).data ?? '';
  return (
    <section aria-labelledby="failures">
      <h2 id="failures">{plural(failed.length, 'task')} failed</h2>
      <ul className="failures">
        {failed.slice(0, kShown).map((t) => (
          <li key={`${t.step} ${t.task}`}>
            <strong>{shown(t.step)} · {shown(t.task)}</strong>
            <span className="bad">{reasonOf(t, log)}{t.exit_code !== null ? ` Exit code ${t.exit_code}${t.attempts > 1 ? `, after ${t.attempts} attempts` : ''}.` : ''}</span>
            <span>{advice({ ...t, reason: `${t.reason} ${lastWords(log, `${t.step}.${t.task}`)}` })} <a href={runLink(run, 'log', { find: `${t.step}.${t.task} ` })}>Its log</a></span>
          </li>
        ))}
      </ul>
      {failed.length > kShown && <p className="muted">{plural(failed.length - kShown, 'other task')} failed too: see Tasks.</p>}
    </section>
  );
}
