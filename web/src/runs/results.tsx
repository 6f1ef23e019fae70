import { useEffect, useMemo, useState } from 'react';
import { send, sentence } from '../api/client';
import { nameOf, shown } from '../api/paths';
import { fileAddress, useResults, type ResultFile } from '../api/runs';
import { folderLink, go, replaceHash, runLink, viewLink } from '../app/route';
import { useTable } from '../tables/load';
import { Objects } from '../tables/objects';
import { TablePanel } from '../tables/panel';
import { bytes, plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { Message } from '../ui/message';
import { parseBox } from '../viewer/parts';
import { below, firstTable, tableOf } from './pairs';

const kShown = 100;

const timeOf = (labels: ResultFile) => parseBox(labels.box)?.t;
// Labels over their image, at their time point.
const overlay = (run: string, labels: ResultFile) => ({ t: timeOf(labels) || undefined, labels: labels.path, run });
// Those of a time point, if the run has labelled several.
const labelsAt = (labels: ResultFile[], t: number | null) => labels.find((l) => timeOf(l) === t) ?? labels[0];

function Tables({ run, output, tables, labels, file }: { run: string; output: string; tables: ResultFile[]; labels: ResultFile[]; file: string }) {
  const chosen = tables.find((t) => t.path === file) ?? tables.find((t) => t.path === firstTable(tables))!;
  const loading = useTable(chosen.path);
  const [selected, setSelected] = useState<number | null>(null);
  useEffect(() => setSelected(null), [chosen.path]);
  const objects = useMemo(() => (loading.table ? new Objects(loading.table, null) : null), [loading.table]);
  // Of a row: its object in the labels of its image.
  const linkOf = (row: number | null) => {
    if (row === null || !objects?.usable || !objects.placeOf(row)) return '';
    const known = labels.filter((l) => l.of);
    const image = objects.imageOf(row, known.map((l) => l.of));
    const over = labelsAt(known.filter((l) => l.of === image), objects.timeOf(row));
    return over ? viewLink(over.of, { ...overlay(run, over), table: chosen.path, object: objects.labelOf(row) }) : '';
  };
  const link = linkOf(selected);
  return (
    <section className="result-tables" aria-labelledby="tables">
      <div className="result-head">
        <h2 id="tables">Tables</h2>
        <select className="input" aria-label="Table" value={chosen.path} onChange={(e) => replaceHash(runLink(run, 'results', { file: e.target.value }))}>
          {tables.map((t) => <option key={t.path} value={t.path}>{shown(below(output, t.path))}</option>)}
        </select>
        <a className="button" href={fileAddress(chosen.path, 0, 16 * 2 ** 20)} download={nameOf(chosen.path)} title={chosen.size > 16 * 2 ** 20 ? 'The first 16 MiB: all of it is in the folder of the results' : undefined}><Icon name="fetch" /> Download</a>
      </div>
      <div className="result-table">
        <TablePanel key={chosen.path} name={shown(nameOf(chosen.path))} loading={loading} rows={null} selected={selected} onSelect={setSelected} onOpen={(row) => { const to = linkOf(row); if (to) go(to); }}>
          {link ? <a className="button button-small" href={link}><Icon name="eye" /> Show object {objects!.labelOf(selected!)} in the image</a> : labels.length && objects?.usable ? <span>Choose a row to see its object in the image.</span> : null}
        </TablePanel>
      </div>
    </section>
  );
}

function Labels({ run, output, labels, files }: { run: string; output: string; labels: ResultFile[]; files: ResultFile[] }) {
  const [filter, setFilter] = useState('');
  const fits = labels.filter((l) => shown(l.path).toLowerCase().includes(filter.trim().toLowerCase()));
  return (
    <section aria-labelledby="labels">
      <div className="result-head"><h2 id="labels">Labels</h2>{labels.length > 12 && <input type="search" className="input" placeholder="Filter" aria-label="Filter labels" value={filter} onChange={(e) => setFilter(e.target.value)} />}</div>
      <ul className="result-files">
        {fits.slice(0, kShown).map((l) => (
          <li key={l.path}>
            <Icon name="image" />
            <span className="result-name">{shown(below(output, l.path))}{l.of && <span className="muted">of {shown(l.of)}</span>}</span>
            {l.size > 0 && <span className="muted">{bytes(l.size)}</span>}
            {l.of ? <a className="button button-small" href={viewLink(l.of, { ...overlay(run, l), table: tableOf(l, files) })}><Icon name="eye" /> Show over the image</a> : <a className="button button-small" href={viewLink(l.path)}>View</a>}
          </li>
        ))}
      </ul>
      {fits.length > kShown && <p className="muted">{plural(fits.length - kShown, 'other')}: filter them by name.</p>}
    </section>
  );
}

function Text({ path }: { path: string }) {
  const [text, setText] = useState('');
  const read = async () => {
    try {
      setText(await (await send(fileAddress(path, 0, 65536))).text());
    } catch (e) {
      setText(sentence(e));
    }
  };
  return (
    <details className="result-text" onToggle={(e) => e.currentTarget.open && !text && void read()}>
      <summary>Show</summary>
      <pre className="log-text">{text || '…'}</pre>
    </details>
  );
}

function Files({ output, title, files }: { output: string; title: string; files: ResultFile[] }) {
  if (!files.length) return null;
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <ul className="result-files">
        {files.slice(0, kShown).map((f) => (
          <li key={f.path}>
            <Icon name={f.kind === 'image' ? 'image' : 'file'} />
            <span className="result-name">{shown(below(output, f.path))}{f.kind === 'text' && <Text path={f.path} />}</span>
            {(f.size > 0 || f.kind !== 'image') && <span className="muted">{bytes(f.size)}</span>}
            {f.kind === 'image' && <a className="button button-small" href={viewLink(f.path)}><Icon name="eye" /> View</a>}
          </li>
        ))}
      </ul>
      {files.length > kShown && <p className="muted">{plural(files.length - kShown, 'other file')}: they are in the folder of the results.</p>}
    </section>
  );
}

export function Results({ run, over, file }: { run: string; over: boolean; file: string }) {
  const { data, error } = useResults(run, over);
  if (!data) {
    if (error) return <Message kind="error" title="The results cannot be listed" text={sentence(error)} />;
    return <Message kind="wait" title="Looking for the results" />;
  }
  if (!data.files.length) return <Message kind="empty" title={over ? 'This run has left no results' : 'No results yet'} text={over ? 'What it wrote before it ended is kept next to the place of its results, with “.incomplete” in its name.' : 'They appear when the last step is done: nobody sees half of them.'} />;
  const of = (...kinds: ResultFile['kind'][]) => data.files.filter((f) => kinds.includes(f.kind));
  const pictures = of('picture');
  return (
    <div className="results">
      <div className="result-head"><span className="muted result-output">{shown(data.output)}</span><a className="button button-small" href={folderLink(data.output)}><Icon name="folder" /> Open the folder</a></div>
      {of('table').length > 0 && <Tables run={run} output={data.output} tables={of('table')} labels={of('labels')} file={file} />}
      {of('labels').length > 0 && <Labels run={run} output={data.output} labels={of('labels')} files={data.files} />}
      {pictures.length > 0 && (
        <section aria-labelledby="pictures">
          <h2 id="pictures">Pictures</h2>
          <div className="pictures">
            {pictures.slice(0, kShown).map((p) => (
              <figure key={p.path}>
                <a href={fileAddress(p.path)} target="_blank" rel="noreferrer"><img src={fileAddress(p.path)} alt={shown(below(data.output, p.path))} loading="lazy" decoding="async" /></a>
                <figcaption>{shown(below(data.output, p.path))}</figcaption>
              </figure>
            ))}
          </div>
        </section>
      )}
      <Files output={data.output} title="Images" files={of('image')} />
      <Files output={data.output} title="Other files" files={of('text', 'other')} />
      {data.left_out > 0 && <p className="muted">{plural(data.left_out, 'other file')} of the results {data.left_out === 1 ? 'is' : 'are'} not listed.</p>}
    </div>
  );
}
