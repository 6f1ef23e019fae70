import { useState } from 'react';
import { sentence } from '../api/client';
import { sentenceOf, useLive } from '../api/events';
import { nameOf, shown } from '../api/paths';
import { useAgents, useHasTiers, useStatus, useTotals } from '../api/queries';
import type { Agent, Status } from '../api/types';
import { folderLink } from '../app/route';
import { ago, bytes, count, date, duration, percent, plural, rate } from '../ui/format';
import { Icon } from '../ui/icons';
import { Message } from '../ui/message';
import { TableBox } from '../ui/table-box';
import { Chart } from './chart';
import { gauge, rates, useSamples } from './samples';
import './page.css';

function Health({ status }: { status: Status }) {
  if (!status.health.length) {
    const fine = status.summary === 'ok';
    return <p className={fine ? 'health health-ok' : 'health health-bad'} role="status">{fine ? 'All is well.' : status.summary}</p>;
  }
  return (
    <ul className="health-list" aria-label="What is wrong">
      {status.health.map((h) => <li key={h} className="health health-bad"><Icon name="warning" /> <span>{sentence(h)}</span></li>)}
    </ul>
  );
}

// The SSD as one bar: used (of that dirty), with marks where eviction begins and where it stops.
function Capacity({ status: s }: { status: Status }) {
  const at = (n: number) => `${Math.min(100, (100 * n) / Math.max(1, s.capacity_bytes))}%`;
  return (
    <div className="capacity">
      <div className="capacity-bar" role="img" aria-label={`${bytes(s.used_bytes)} of ${bytes(s.capacity_bytes)} used, ${bytes(s.dirty_bytes)} not yet archived`}>
        <span className="capacity-used" style={{ width: at(s.used_bytes) }} />
        <span className="capacity-dirty" style={{ width: s.dirty_bytes ? `max(3px, ${at(s.dirty_bytes)})` : 0 }} />
        <span className="capacity-mark" style={{ left: at(s.low_bytes) }} title={`Eviction stops at ${bytes(s.low_bytes)}`} />
        <span className="capacity-mark" style={{ left: at(s.high_bytes) }} title={`Eviction starts at ${bytes(s.high_bytes)}`} />
      </div>
      <p className="capacity-text">
        <strong>{bytes(s.used_bytes)}</strong> of {bytes(s.capacity_bytes)} used ({percent(s.used_bytes, s.capacity_bytes)} %). Eviction starts at {bytes(s.high_bytes)} and stops at {bytes(s.low_bytes)}.
      </p>
    </div>
  );
}

function Facts({ rows }: { rows: [string, string][] }) {
  return <dl className="facts">{rows.map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>;
}

function Agents({ agents }: { agents: Agent[] }) {
  if (!agents.length) return <p className="muted">No compute agent has reported. Workflows wait until one runs.</p>;
  return (
    <TableBox label="Compute agents">
      <table className="table">
        <thead><tr><th scope="col">Host</th><th scope="col">State</th><th scope="col">Workers</th><th scope="col">Runs</th><th scope="col">Heard</th><th scope="col">Folders</th></tr></thead>
        <tbody>
          {agents.map((a) => (
            <tr key={`${a.host} ${a.uid}`} className={a.gone ? 'muted' : ''}>
              <td>{a.host}</td><td>{a.gone && a.state !== 'stopped' ? 'gone' : a.state}</td><td className="num">{a.workers}</td><td className="num">{a.runs}</td><td>{ago(a.heard)}</td><td className="path">{a.folders.join(', ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableBox>
  );
}

const kFirstEvents = 12;

// What happened, the newest first. Times of today are enough: the hub keeps the last events only.
function Events() {
  const { events, open } = useLive();
  const [all, setAll] = useState(false);
  const some = all ? events : events.slice(0, kFirstEvents);
  if (!events.length) return <p className="muted">{open ? 'Nothing has happened yet.' : 'This hub does not tell what happens; the pages ask for it every few seconds.'}</p>;
  return (
    <>
      {!open && <p className="muted">The connection for events is interrupted; what happened since is missing here.</p>}
      <ul className="events" aria-label="Last events">
        {some.map((e) => (
          <li key={JSON.stringify(e)}>
            <time dateTime={e.at ? new Date(e.at * 1000).toISOString() : undefined} title={e.at ? date(new Date(e.at * 1000).toISOString()) : ''}>{e.at ? new Date(e.at * 1000).toLocaleTimeString('en-GB') : ''}</time>
            <span>{shown(sentenceOf(e))}</span>
          </li>
        ))}
      </ul>
      {events.length > kFirstEvents && <button type="button" className="button button-small" onClick={() => setAll(!all)}>{all ? 'Show fewer' : `Show all ${events.length}`}</button>}
    </>
  );
}

const kShownFolders = 10;

// Who fills the SSD: the folders of the root, as far as their sums are known.
function Folders() {
  const totals = useTotals('/', false);
  if (totals.error && !totals.data) return <p className="bad">{sentence(totals.error)}</p>;
  const known = (totals.data?.entries ?? []).filter((e) => e.kind === 'directory' && e.state !== '' && e.resident > 0);
  const rows = [...known].sort((a, b) => b.resident - a.resident).slice(0, kShownFolders);
  if (!rows.length) return <p className="muted">{totals.data ? 'No folder has anything on the SSD.' : 'Summing the folders…'}</p>;
  return (
    <>
      <TableBox label="SSD by folder">
        <table className="table">
          <thead><tr><th scope="col">Folder</th><th scope="col" className="num">On the SSD</th><th scope="col" className="num">Of</th><th scope="col" className="num">Not yet archived</th></tr></thead>
          <tbody>
            {rows.map((e) => (
              <tr key={e.path}><td className="path"><a href={folderLink(e.path)}>{shown(nameOf(e.path))}</a></td><td className="num">{bytes(e.resident)}</td><td className="num">{bytes(e.size)}</td><td className="num">{e.dirty ? bytes(e.dirty) : ''}</td></tr>
            ))}
          </tbody>
        </table>
      </TableBox>
      {known.length > rows.length && <p className="muted">{plural(known.length - rows.length, 'other folder')} have less.</p>}
    </>
  );
}

export function SystemPage() {
  const { data: s, error } = useStatus(true);
  const tiers = useHasTiers();
  const agents = useAgents();
  const samples = useSamples((state) => state.samples);
  if (!tiers) return <Message kind="empty" title="No tiers here" text="This hub shows a folder without TierHub." />;
  if (!s) {
    if (error) return <Message kind="error" title="The status is not known" text={sentence(error)} />;
    return <Message kind="wait" title="Asking tierd" />;
  }
  return (
    <div className="system">
      <h1>System</h1>
      {error && <p className="health health-bad"><Icon name="warning" /> {sentence(error)} The numbers below are old.</p>}
      <Health status={s} />
      <div className="system-tiers">
        <section aria-labelledby="ssd">
          <h2 id="ssd">SSD</h2>
          <Capacity status={s} />
          <Facts rows={[
            ['Not yet archived', s.dirty_files ? `${bytes(s.dirty_bytes)} in ${plural(s.dirty_files, 'file')}, the oldest for ${duration(s.oldest_dirty_age_s)}` : 'nothing'],
            ['Writers waiting for room', s.writers_waiting ? `${s.writers_waiting}, up to ${duration(s.oldest_writer_wait_s)}` : 'none'],
            ['Folder', s.scratch], ['Data path', s.data_path], ['Copy engine', s.copy_engine],
          ]} />
        </section>
        <section aria-labelledby="archive">
          <h2 id="archive">Archive</h2>
          <Facts rows={[
            ['State', s.archive_state], ['Takes', `${rate(s.publish_bytes_per_s)} (last 10 s)`],
            ['Prefetches', s.prefetches_active ? `${s.prefetches_active} active` : 'none active'],
            ['Refused changes', s.parked_keys ? `${s.parked_keys}: ${s.first_parked_reason}` : 'none'], ['Conflicts', s.conflicts ? count(s.conflicts) : 'none'],
            ['Folder', s.archive], ['Mount', s.mount], ['tierd', `${s.version}, up for ${duration(s.uptime_s)}`],
            ...(s.import_running ? [['Import', `running, ${count(s.import_files)} files so far`] as [string, string]] : []),
          ]} />
        </section>
      </div>
      <section aria-labelledby="rates">
        <h2 id="rates">Last 10 minutes</h2>
        <div className="charts">
          <Chart title="From the archive" points={rates(samples, 'recalled', 'fetched')} format={rate} />
          <Chart title="To the archive" points={rates(samples, 'published')} format={rate} />
          <Chart title="Evicted" points={rates(samples, 'evicted')} format={rate} />
          <Chart title="SSD used" points={gauge(samples, 'used')} format={bytes} top={s.capacity_bytes} />
          <Chart title="Not yet archived" points={gauge(samples, 'dirty')} format={bytes} />
          <Chart title="Reads and writes of the mount" points={rates(samples, 'reads', 'writes')} format={(n) => `${count(n)}/s`} base={10} />
        </div>
      </section>
      <section aria-labelledby="folders">
        <h2 id="folders">SSD by folder</h2>
        <Folders />
      </section>
      <section aria-labelledby="events">
        <h2 id="events">What happened</h2>
        <Events />
      </section>
      <section aria-labelledby="agents">
        <h2 id="agents">Compute agents</h2>
        {agents.error ? <p className="bad">{sentence(agents.error)}</p> : <Agents agents={agents.data ?? []} />}
      </section>
    </div>
  );
}
