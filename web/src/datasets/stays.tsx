import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { sentence } from '../api/client';
import { usePace } from '../api/events';
import { shown } from '../api/paths';
import { bytes, plural } from '../ui/format';
import { useTierActions } from './actions';
import { askHolders, kMostFiles, withoutNumber, type Holders } from './holders';

function Reasons({ path, found }: { path: string; found: Holders }) {
  const { unpin } = useTierActions();
  const { holders, unpublished, writing } = found;
  const nothing = !holders.length && !unpublished.files && !writing;
  return (
    <div className="stays">
      <ul>
        {holders.map((h) => (
          <li key={h.text}>
            <span>Kept for {shown(withoutNumber(h.text))}: {plural(h.files, 'file')}, {bytes(h.bytes)} on the SSD</span>
            <button type="button" className="button button-small" aria-label={`Unpin what ${shown(withoutNumber(h.owner))} keeps`} onClick={() => void unpin([path], h.owner)}>Unpin</button>
          </li>
        ))}
        {unpublished.files > 0 && <li>{plural(unpublished.files, 'file')} ({bytes(unpublished.bytes)}) {unpublished.files === 1 ? 'is' : 'are'} not in the archive yet. Publish first.</li>}
        {writing > 0 && <li>{plural(writing, 'file')} {writing === 1 ? 'is' : 'are'} open for writing.</li>}
      </ul>
      {nothing && <p className="muted">{found.resident > 0 ? 'Nothing keeps it: its space can be freed, unless a program has a file open.' : 'None of it is on the SSD.'}</p>}
      {holders.length > 0 && <p className="muted">A pin stays until somebody unpins it. What a run keeps ends with the run.</p>}
      {!found.complete && <p className="muted">This counts the first {plural(kMostFiles, 'file')} only.</p>}
    </div>
  );
}

// Asked for only when somebody wants to know: it lists every file.
export function Stays({ path }: { path: string }) {
  const [open, setOpen] = useState(false);
  const { data, error } = useQuery({
    enabled: open,
    queryKey: ['residency', 'holders', path],
    queryFn: ({ signal }) => askHolders(path, signal),
    refetchInterval: usePace(10_000),
  });
  return (
    <details className="strips" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>What keeps it on the SSD</summary>
      {data ? <Reasons path={path} found={data} /> : error ? <p className="bad">{sentence(error)}</p> : <p className="muted">Looking at its files…</p>}
    </details>
  );
}
