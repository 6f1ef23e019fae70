import { useId, useRef, useState } from 'react';
import { parentOf } from '../api/paths';
import type { Param } from '../api/workflows';
import { Icon } from '../ui/icons';
import { Picker } from './picker';
import { datasetText, labelOf, rangeText } from './values';

interface Props {
  param: Param;
  text: string;
  problem: string;
  folder: string; // where the choice of a dataset begins
  onChange(text: string): void;
}

function DatasetField({ id, described, text, problem, folder, onChange }: Omit<Props, 'param'> & { id: string; described: string }) {
  const [at, setAt] = useState<string | null>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  const close = () => {
    setAt(null);
    box.current?.focus();
  };
  return (
    <>
      <div className="field-line">
        <textarea ref={box} id={id} className="input" rows={Math.min(8, text.split('\n').length)} value={text} placeholder="plate7/**/*.tif" title="A path or a pattern; several have a line each" spellCheck={false} autoComplete="off" aria-invalid={problem !== ''} aria-describedby={described} onChange={(e) => onChange(e.target.value)} />
        <button type="button" className="button" aria-expanded={at !== null} onClick={() => setAt(at === null ? folder : null)}><Icon name="image" /> Choose</button>
      </div>
      {at !== null && <Picker path={at} onPath={setAt} onClose={close} onPick={(path) => { onChange(datasetText(path)); close(); }} onAdd={text.trim() ? (path) => onChange(`${text.trim()}\n${datasetText(path)}`) : undefined} />}
    </>
  );
}

export function Field({ param: p, text, problem, folder, onChange }: Props) {
  const id = useId();
  const described = `${id}-about`;
  const about = p.description ?? '';
  const range = rangeText({ ...p, unit: undefined }); // the unit is beside the field
  const usual = p.default !== undefined && text.trim() === '' ? `Empty: ${p.default} is used.` : '';
  const foot = (
    <div id={described} className="field-foot">
      {problem ? <p className="field-problem" role="alert">{problem}</p> : usual ? <p className="muted">{usual}</p> : null}
      {about && <p className="muted">{about}</p>}
    </div>
  );
  const common = { id, 'aria-invalid': problem !== '', 'aria-describedby': described } as const;
  if (p.type === 'boolean') {
    return (
      <div className="field">
        <label className="field-check"><input type="checkbox" {...common} checked={text === 'true'} onChange={(e) => onChange(String(e.target.checked))} /> {labelOf(p)}</label>
        {foot}
      </div>
    );
  }
  return (
    <div className={problem ? 'field field-wrong' : 'field'}>
      <label htmlFor={id}>{labelOf(p)}{p.default === undefined && <span className="muted"> (required)</span>}</label>
      {p.type === 'dataset' ? (
        <DatasetField id={id} described={described} text={text} problem={problem} folder={folder} onChange={onChange} />
      ) : p.enum ? (
        <select className="input" {...common} value={text} onChange={(e) => onChange(e.target.value)}>
          {!p.enum.some((v) => String(v) === text) && <option value={text}>{text || 'choose'}</option>}
          {p.enum.map((v) => <option key={String(v)} value={String(v)}>{String(v)}</option>)}
        </select>
      ) : (
        <div className="field-line">
          <input className={p.type === 'string' ? 'input' : 'input input-number'} {...common} value={text} inputMode={p.type === 'integer' ? 'numeric' : p.type === 'number' ? 'decimal' : undefined} placeholder={p.default === undefined ? undefined : String(p.default)} spellCheck={false} autoComplete="off" onChange={(e) => onChange(e.target.value)} />
          {p.unit && <span className="field-unit">{p.unit}</span>}
          {range && <span className="muted field-range">{range}</span>}
        </div>
      )}
      {foot}
    </div>
  );
}

export const folderOfText = (text: string) => {
  const fixed = text.split('\n')[0]!.split('/').slice(0, -1);
  const pattern = fixed.findIndex((part) => /[*?[]/.test(part));
  const path = `/${(pattern < 0 ? fixed : fixed.slice(0, pattern)).filter(Boolean).join('/')}`;
  return path === '/' ? '/' : parentOf(`${path}/x`);
};
