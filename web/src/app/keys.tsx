import { useEffect, useRef } from 'react';
import { Icon } from '../ui/icons';
import { useUi } from './store';
import './keys.css';

const kGroups: { name: string; keys: [string, string][] }[] = [
  { name: 'Everywhere', keys: [['?', 'show these keys'], ['Esc', 'close']] },
  {
    name: 'Datasets',
    keys: [['/', 'filter names; Enter searches the folders below'], ['↑ ↓', 'move'], ['Enter', 'open'], ['Space', 'select'], ['Backspace', 'parent folder']],
  },
  {
    name: 'Viewer',
    keys: [
      ['← →', 'plane back, forward (z)'], ['↓ ↑', 'time back, forward (t)'], ['Shift + arrow', 'ten steps'], ['P', 'play or stop z'], ['T', 'play or stop t'],
      ['+ −', 'zoom'], ['F', 'fit the image'], ['1 … 9', 'show or hide a channel'], ['A', 'automatic contrast'], ['L', 'labels'], ['X', 'projection: maximum, mean, none'], ['O', 'slices x-z and y-z'], ['M', 'measure a line'], ['S', 'snapshot'], ['G', 'go to a position'],
    ],
  },
];

export function Keys() {
  const open = useUi((s) => s.keysShown);
  const show = useUi((s) => s.showKeys);
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !box.current?.open) box.current?.showModal();
    if (!open) box.current?.close();
  }, [open]);
  return (
    <dialog ref={box} className="keys" aria-label="Keyboard shortcuts" onClose={() => show(false)} onClick={(e) => e.target === box.current && show(false)}>
      <header>
        <h2>Keyboard shortcuts</h2>
        <button type="button" className="icon-button" aria-label="Close" onClick={() => show(false)}><Icon name="close" /></button>
      </header>
      {kGroups.map((g) => (
        <section key={g.name}>
          <h3>{g.name}</h3>
          <dl>
            {g.keys.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
          </dl>
        </section>
      ))}
    </dialog>
  );
}
