import type { Listed } from '../api/types';
import { sentence } from '../api/client';
import { shown } from '../api/paths';
import { newRunLink } from '../app/route';
import { useUi } from '../app/store';
import { bytes, date, plural, unitSign, number } from '../ui/format';
import { Icon } from '../ui/icons';
import { ResidencyBar, StateMark } from '../ui/residency';
import { useTierActions } from './actions';
import { rowLink } from './list';
import type { Row } from './rows';
import { ResidencyStrips } from './residency-strips';
import { Stays } from './stays';
import { Thumbnail } from './thumbnail';
import './details.css';

function voxel(d: Listed): string {
  if (!d.voxel_size) return '';
  const { x, y, z } = d.voxel_size;
  const parts = [x, y, ...(z && (d.shape.z ?? 1) > 1 ? [z] : [])].filter((n): n is number => n !== null);
  return parts.length ? `${parts.map(number).join(' × ')} ${unitSign(d.voxel_unit)}` : '';
}

function facts(row: Row): [string, string][] {
  const d = row.dataset;
  const out: [string, string][] = [];
  if (d) {
    out.push(['Format', d.format], ['Axes', [...d.axes].join(' ')]);
    out.push(['Shape', [...d.axes].map((axis) => d.shape[axis as keyof typeof d.shape] ?? 1).join(' × ')], ['Type', d.type]);
    if (voxel(d)) out.push(['Voxel', voxel(d)]);
    if (d.channels.length) out.push(['Channels', d.channels.map((ch, i) => ch.name || `channel ${i + 1}`).join(', ')]);
    out.push(['Decoded', bytes(d.bytes)]);
  }
  if (row.kind === 'folder' && row.files) out.push(['Contains', plural(row.files, 'file')]);
  if (row.size !== null) out.push(['Stored', bytes(row.size)], ['On SSD', bytes(row.resident)]);
  if (row.dirty) out.push(['Not yet archived', bytes(row.dirty)]);
  if (row.mtime) out.push(['Changed', date(row.mtime)]);
  if (row.pins.length) out.push(['Pinned', row.pins.join('; ')]);
  return out;
}

export function Details({ row, tiers, onKeep, onClose }: { row: Row; tiers: boolean; onKeep(): void; onClose(): void }) {
  const { bring, evict, publish } = useTierActions();
  const link = rowLink(row);
  const isHot = row.state === 'hot' || (row.state === 'dirty' && row.resident === row.size);
  const isDirty = row.state === 'dirty' || row.dirty > 0;
  const isFolder = row.kind === 'folder' || row.plate || row.dataset?.format === 'OME-Zarr';
  const known = tiers && row.size !== null && row.size > 0 && !row.path.includes('<');
  return (
    <aside className="details" aria-label={`About ${row.name}`}>
      <header>
        <h2>{row.name}</h2>
        <button type="button" className="icon-button" aria-label="Close the details" onClick={onClose}><Icon name="close" /></button>
      </header>
      {(row.dataset || row.plate) && <Thumbnail dataset={row} size={232} />}
      <div className="details-state">
        <ResidencyBar state={row.state} size={row.size} resident={row.resident} dirty={row.dirty} />
        <StateMark state={row.state} />
      </div>
      {known && <ResidencyStrips key={row.path} path={row.path} isImage={row.dataset !== null} isFolder={isFolder} axes={row.dataset?.format === 'OME-Zarr' ? row.dataset.axes : ''} />}
      {known && <Stays key={`stays ${row.path}`} path={row.path} />}
      {row.dataset?.not_decodable && <p className="warning"><Icon name="warning" /> {sentence(row.dataset.not_decodable)}</p>}
      {row.error && row.kind === 'file' && <p className="warning"><Icon name="warning" /> {sentence(row.error)}</p>}
      <div className="details-actions">
        {link && <a className="button button-primary" href={link}>{row.kind === 'dataset' ? 'View' : 'Open'}</a>}
        {tiers && link && <a className="button" href={newRunLink({ dataset: row.path })}><Icon name="play" /> Analyse…</a>}
        {row.dataset && !row.dataset.not_decodable && <button type="button" className="button" aria-haspopup="dialog" onClick={() => useUi.getState().share(row.path)}><Icon name="share" /> Share…</button>}
      </div>
      {tiers && (
        <div className="details-tiers" role="group" aria-label="SSD and archive">
          <button type="button" className="button" disabled={isHot} title={isHot ? 'All of it is on the SSD' : undefined} onClick={() => void bring([row.path])}><Icon name="fetch" /> Bring to SSD</button>
          <button type="button" className="button" aria-haspopup="dialog" title="It is not evicted until somebody unpins it" onClick={onKeep}><Icon name="pin" /> Keep on SSD…</button>
          <button type="button" className="button" disabled={row.resident === 0} title="The data stays in the archive" onClick={() => void evict([row.path])}><Icon name="release" /> Free SSD space</button>
          <button type="button" className="button" disabled={!isDirty} title={isDirty ? 'Send it to the archive now, without waiting' : 'The archive has all of it'} onClick={() => void publish([row.path])}><Icon name="archive" /> Publish now</button>
        </div>
      )}
      <dl>
        {facts(row).map(([name, value]) => (
          <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
        ))}
        <div><dt>Path</dt><dd className="details-path">{shown(row.path)}</dd></div>
      </dl>
    </aside>
  );
}
