import { shown } from '../api/paths';
import type { Plan } from '../api/workflows';
import { bytes, percent, plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { TableBox } from '../ui/table-box';

const kFrom: Record<string, string> = { estimate: 'estimated', workflow: 'limit in the workflow' };

// What the run needs of the SSD, as one sentence.
export function roomText(p: Plan): string {
  if (p.free_bytes === null || p.capacity_bytes === null) return 'This hub shows a folder without TierHub: the data is read where it is.';
  if (p.bytes_to_bring === 0) return 'All of the input is on the SSD: the run can start at once.';
  if (p.bytes_to_bring <= p.free_bytes) return `${bytes(p.bytes_to_bring)} come from the archive. ${bytes(p.free_bytes)} of the SSD are free.`;
  if (p.bytes <= p.capacity_bytes) return `${bytes(p.bytes_to_bring)} come from the archive, and ${bytes(p.free_bytes)} of the SSD are free: data that nobody uses makes room.`;
  return `The input (${bytes(p.bytes)}) is larger than the SSD (${bytes(p.capacity_bytes)}): it comes in parts while the run goes on.`;
}

function Data({ plan: p }: { plan: Plan }) {
  const whole = Math.max(1, p.bytes);
  const label = `${bytes(p.resident_bytes)} of ${bytes(p.bytes)} on the SSD`;
  return (
    <div className="plan-data">
      <div className="plan-data-line"><strong>{bytes(p.bytes)}</strong> of input<span className="muted">{p.bytes ? `${percent(p.resident_bytes, whole)} % on the SSD` : ''}</span></div>
      {p.free_bytes !== null && <span className="plan-bar" role="img" aria-label={label} title={label}><span style={{ width: `${(100 * Math.min(p.resident_bytes, whole)) / whole}%` }} /></span>}
      <p>{roomText(p)}</p>
    </div>
  );
}

export function PlanView({ plan: p, old }: { plan: Plan; old: boolean }) {
  return (
    <div className={old ? 'plan plan-old' : 'plan'} aria-busy={old}>
      <p className="plan-sum"><strong>{plural(p.tasks, 'task')}</strong> on {plural(p.items, 'item')} in {plural(p.steps.length, 'step')}</p>
      {p.warnings.map((w) => <p key={w} className="warning"><Icon name="warning" /> <span>{shown(w)}</span></p>)}
      <Data plan={p} />
      <TableBox label="Steps of the plan">
        <table className="table plan-steps">
          <thead><tr><th scope="col">Step</th><th scope="col" className="num">Tasks</th><th scope="col" className="num">CPUs</th><th scope="col" className="num">Memory of a task</th></tr></thead>
          <tbody>
            {p.steps.map((s) => (
              <tr key={s.id}>
                <td><span className="plan-step">{shown(s.id)}<span className="muted">{shown(s.program)}</span></span></td>
                <td className="num">{s.tasks.toLocaleString('en')}</td><td className="num">{s.cpus}</td>
                <td className="num">{s.memory_bytes === null ? <span className="plan-note muted">{shown(s.memory_note || 'not known')}</span> : <span className="plan-step">{bytes(s.memory_bytes)}<span className="muted">{s.memory_from === 'guess' ? shown(s.memory_note ?? '') : (kFrom[s.memory_from] ?? '')}</span></span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableBox>
      <dl className="plan-facts"><dt>Results go to</dt><dd>{shown(p.output.replace('{run}', '…'))}</dd></dl>
      {p.left_out.length > 0 && (
        <details>
          <summary>{plural(p.left_out.length, 'name is', 'names are')} left out</summary>
          <ul className="sentences">{p.left_out.slice(0, 500).map((l, i) => <li key={i}>{shown(l)}</li>)}</ul>
        </details>
      )}
    </div>
  );
}
