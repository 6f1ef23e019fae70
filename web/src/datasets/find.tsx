// Everything that has such a name, in all folders below one.
import { useEffect, useState } from 'react';
import { sentence } from '../api/client';
import { nameOf, parentOf, shown } from '../api/paths';
import { kMostHits, searchNames, type Hits } from '../api/search';
import type { Entry } from '../api/types';
import { folderLink, viewLink } from '../app/route';
import { bytes, plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { Message } from '../ui/message';
import { StateMark } from '../ui/residency';
import './find.css';

const kImage = /\.(tiff?|zarr|mrc|map|h5|hdf5|ims|png|jpe?g|svs|ndpi)$/i;

function linkOf(entry: Entry): string {
  if (kImage.test(entry.path)) return viewLink(entry.path);
  return folderLink(entry.kind === 'directory' ? entry.path : parentOf(entry.path));
}

function Hit({ entry }: { entry: Entry }) {
  const isFolder = entry.kind === 'directory';
  return (
    <li className="find-hit">
      <Icon name={kImage.test(entry.path) ? 'image' : isFolder ? 'folder' : 'file'} />
      <span className="find-text">
        <a href={linkOf(entry)}>{shown(nameOf(entry.path))}</a>
        <span className="find-where">in <a href={folderLink(parentOf(entry.path))}>{shown(parentOf(entry.path))}</a></span>
      </span>
      {!isFolder && <span className="find-size">{bytes(entry.size)}</span>}
      {!isFolder && <StateMark state={entry.state} />}
    </li>
  );
}

export function FindPage({ name, path }: { name: string; path: string }) {
  const [hits, setHits] = useState<Hits | null>(null);
  const [error, setError] = useState('');

  useEffect(() => {
    const stop = new AbortController();
    setHits(null);
    setError('');
    searchNames(name, path, setHits, stop.signal).catch((e: unknown) => {
      if (!stop.signal.aborted) setError(sentence(e));
    });
    return () => stop.abort();
  }, [name, path]);

  const entries = hits?.entries ?? [];
  const full = entries.length >= kMostHits;
  const where = path === '/' ? 'all data' : shown(path);
  const state = full ? `The first ${kMostHits} are shown: use more words.` : hits?.done ? plural(entries.length, 'name') : 'Searching…';
  return (
    <div className="find">
      <header>
        <h1>“{name}” in {where}</h1>
        <p role="status">{state}</p>
        <a className="button" href={folderLink(path)}>Back to the folder</a>
      </header>
      {error && <Message kind="error" title="The search failed" text={error} />}
      {hits?.done && !entries.length && <Message kind="empty" title="Nothing has this name" text="Words must all be in the name; * and ? stand for any text and any letter of the whole name." />}
      <ul>{entries.map((e) => <Hit key={e.path} entry={e} />)}</ul>
    </div>
  );
}
