import { Dialog } from '../ui/dialog';
import { useUi } from './store';
import './keys.css';

const kGroups: { name: string; keys: [string, string][] }[] = [
  { name: 'Everywhere', keys: [['?', 'show these keys'], ['Esc', 'close']] },
  {
    name: 'Datasets',
    keys: [['/', 'filter names; Enter searches the folders below'], ['↑ ↓', 'move'], ['Enter', 'open'], ['Space', 'select'], ['Backspace', 'parent folder']],
  },
  { name: 'Plate', keys: [['arrows', 'move'], ['[ ]', 'well before, next well'], ['Enter', 'open the first field'], ['Esc', 'close the fields']] },
  {
    name: 'Viewer',
    keys: [
      ['← →', 'plane back, forward (z)'], ['↓ ↑', 'time back, forward (t)'], ['Shift + arrow', 'ten steps'], ['Ctrl + arrow', 'move the picture'], ['P', 'play or stop z'], ['T', 'play or stop t'],
      ['[ ]', 'well before, next well of a plate'], ['{ }', 'field before, next field'], ['+ −', 'zoom'], ['F', 'fit the image'], ['1 … 9', 'show or hide a channel'], ['A', 'automatic contrast'], ['L', 'labels'], ['X', 'projection: maximum, mean, none'], ['O', 'slices x-z and y-z'], ['V', '3-D; there the arrows turn, with Ctrl they move'], ['M', 'measure a line; Enter puts one across the middle'], ['S', 'snapshot'], ['G', 'go to a position'],
    ],
  },
];

export function Keys() {
  const open = useUi((s) => s.keysShown);
  const show = useUi((s) => s.showKeys);
  return (
    <Dialog title="Keyboard shortcuts" open={open} onClose={() => show(false)}>
      {kGroups.map((g) => (
        <section key={g.name}>
          <h3>{g.name}</h3>
          <dl className="keys">
            {g.keys.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
          </dl>
        </section>
      ))}
    </Dialog>
  );
}
