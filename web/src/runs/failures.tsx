import { sentence } from '../api/client';
import { shown } from '../api/paths';
import { runLink } from '../app/route';
import { plural } from '../ui/format';
import { advice, type Task } from './status';

const kShown = 50;

export function Failures({ run, tasks }: { run: string; tasks: Task[] }) {
  const failed = tasks.filter((t) => t.state === 'failed');
  if (!failed.length) return null;
  return (
    <section aria-labelledby="failures">
      <h2 id="failures">{plural(failed.length, 'task')} failed</h2>
      <ul className="failures">
        {failed.slice(0, kShown).map((t) => (
          <li key={`${t.step} ${t.task}`}>
            <strong>{shown(t.step)} · {shown(t.task)}</strong>
            <span className="bad">{t.reason ? sentence(shown(t.reason)) : 'It gave no reason.'}{t.exit_code !== null ? ` Exit code ${t.exit_code}${t.attempts > 1 ? `, after ${t.attempts} attempts` : ''}.` : ''}</span>
            <span>{advice(t)} <a href={runLink(run, 'log', { find: `${t.step}.${t.task} ` })}>Its log</a></span>
          </li>
        ))}
      </ul>
      {failed.length > kShown && <p className="muted">{plural(failed.length - kShown, 'other task')} failed too: see Tasks.</p>}
    </section>
  );
}
