import { useDeferredValue, useMemo, useState, type ReactNode } from 'react';
import { bytes, percent, plural } from '../ui/format';
import { Message } from '../ui/message';
import { Grid } from './grid';
import { ColumnHistogram } from './histogram';
import type { Loading } from './load';
import { columnOf, firstMeasured, sorted, summary, type Order } from './table';
import './tables.css';

interface Props {
  name: string;
  loading: Loading;
  rows: Uint32Array | null; // null: all
  selected: number | null;
  onSelect(row: number): void;
  onOpen?(row: number): void;
  children?: ReactNode; // what else can be done with the table or the selected row
}

// A table with its histogram.
export function TablePanel({ name, loading, rows, selected, onSelect, onOpen, children }: Props) {
  const [sort, setSort] = useState<Order | null>(null);
  const [chosen, setChosen] = useState('');
  const table = useDeferredValue(loading.table);
  const order = useMemo(() => (table ? sorted(table, rows, sort) : new Uint32Array()), [table, rows, sort]);
  const column = table ? (chosen && columnOf(table, chosen) ? chosen : firstMeasured(table)) : '';
  const values = table && columnOf(table, column);
  const facts = useMemo(() => (values ? summary(values, table && rows ? rows : sorted(table!, null, null)) : null), [values, table, rows]);

  if (loading.error && !table) return <Message kind="error" title="The table cannot be shown" text={loading.error} />;
  if (!table || !table.columns.length) {
    if (loading.done) return <Message kind="empty" title="The table is empty" />;
    return <Message kind="wait" title={loading.cold ? `The table is coming from the archive, about ${Math.ceil(loading.cold / 1000)} s` : 'Reading the table'} />;
  }
  const onSort = (name: string) => {
    setSort((s) => (s?.column !== name ? { column: name, down: false } : s.down ? null : { column: name, down: true }));
    if (columnOf(table, name)?.numbers) setChosen(name);
  };
  const numeric = table.columns.filter((c) => c.numbers);
  return (
    <div className="table-panel">
      <div className="table-bar">
        <span role="status">{plural(order.length, 'row')}{!loading.done && !loading.error ? ` so far${loading.size ? `, ${percent(loading.bytes, loading.size)} % of ${bytes(loading.size)}` : ''}${loading.cold ? `; the rest is coming from the archive, about ${Math.ceil(loading.cold / 1000)} s` : ''}` : ''}</span>
        {loading.error && <span className="bad">{loading.error}</span>}
        <span className="table-actions">{children}</span>
      </div>
      <div className="table-main">
        <Grid table={table} order={order} sort={sort} selected={selected} name={name} onSort={onSort} onSelect={onSelect} onOpen={onOpen} />
        {facts && values && (
          <div className="table-side">
            <label className="table-column">Histogram of <select className="input" aria-label="Histogram of the column" value={column} onChange={(e) => setChosen(e.target.value)}>{numeric.map((c) => <option key={c.name}>{c.name}</option>)}</select></label>
            <ColumnHistogram name={column} summary={facts} value={selected === null ? null : (values.numbers?.[selected] ?? null)} />
          </div>
        )}
      </div>
    </div>
  );
}
