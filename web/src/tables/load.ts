// A table of the hub, in pieces: what is here is shown while the rest arrives.
import { useEffect, useState } from 'react';
import { ApiError, send, sentence } from '../api/client';
import { fileAddress } from '../api/runs';
import { CsvReader, type Table } from './table';

const kPiece = 2 * 2 ** 20;
const kMost = 512 * 2 ** 20;
const kKept = 4;

export interface Loading {
  table: Table | null;
  bytes: number; // read so far
  size: number; // of the file; 0: not known
  done: boolean;
  cold: number; // milliseconds until the next piece is expected from the archive; 0: it is here
  error: string;
}

const kNothing: Loading = { table: null, bytes: 0, size: 0, done: false, cold: 0, error: '' };
const kept = new Map<string, Loading>();

export async function loadTable(path: string, show: (l: Loading) => void, signal: AbortSignal): Promise<void> {
  const reader = new CsvReader(path.endsWith('.tsv') ? '\t' : ',');
  let now = kNothing;
  const tell = (change: Partial<Loading>) => show((now = { ...now, ...change }));
  const ask = (begin: number) => {
    const asked = readPiece(path, begin, signal);
    asked.catch(() => {}); // whoever waits for it hears of it
    return asked;
  };
  for (let next = ask(0); ; ) {
    try {
      const { piece, size } = await next;
      const bytes = now.bytes + piece.byteLength;
      const over = piece.byteLength < kPiece;
      const full = bytes >= kMost;
      // The next piece comes while this one is read.
      if (!over && !full) next = ask(bytes);
      reader.push(piece);
      tell({ table: over ? reader.finish() : reader.table(), bytes, size, cold: 0, done: over || full, error: full && !over ? 'The table is larger than a browser can hold: its first rows are shown.' : '' });
      if (over || full) return;
    } catch (e) {
      if (signal.aborted) return;
      // Nothing lies behind the end: the piece before was the last one.
      if (e instanceof ApiError && e.status === 416) return tell({ table: reader.finish(), done: true });
      if (!(e instanceof ApiError && e.recalling)) return tell({ error: sentence(e), cold: 0 });
      tell({ cold: e.etaMs });
      await new Promise((later) => setTimeout(later, Math.min(1000, Math.max(50, e.etaMs))));
      if (signal.aborted) return;
      next = ask(now.bytes);
    }
  }
}

async function readPiece(path: string, begin: number, signal: AbortSignal): Promise<{ piece: Uint8Array; size: number }> {
  const response = await send(fileAddress(path, begin, kPiece), { signal });
  return { piece: new Uint8Array(await response.arrayBuffer()), size: Number(response.headers.get('x-tierhub-size') ?? 0) };
}

export function useTable(path: string): Loading {
  const [state, setState] = useState<{ path: string; loading: Loading }>({ path: '', loading: kNothing });
  useEffect(() => {
    if (!path || kept.has(path)) return undefined;
    const stop = new AbortController();
    let told = 0;
    let shown: Table | null = null;
    void loadTable(path, (now) => {
      if (stop.signal.aborted) return;
      const isLast = now.done || Boolean(now.error);
      if (told && !isLast && performance.now() - told < 500) return;
      told = performance.now();
      // For each table that is shown, rows are put in order and a histogram is made: only when it has grown by much.
      if (!shown || isLast || (now.table?.rows ?? 0) >= 2 * shown.rows) shown = now.table;
      const loading = { ...now, table: shown };
      setState({ path, loading });
      if (!loading.done) return;
      kept.set(path, loading);
      if (kept.size > kKept) kept.delete(kept.keys().next().value!);
    }, stop.signal);
    return () => stop.abort();
  }, [path]);
  return kept.get(path) ?? (state.path === path ? state.loading : kNothing);
}
