// Asking for a tile until it is here: what is in the archive is asked for again when it is expected, and no connection
// waits for it.
import { onArrival } from '../api/arrivals';
import { ApiError, sentence } from '../api/client';

export const kAborted = '__vivSignalAborted'; // what Viv and deck.gl take for "no longer wanted"
const kLongestWaitMs = 1000;

export interface Hear {
  cold(etaMs: number, reason: string): void; // at each answer that it is not here yet
  error(text: string): void; // "": it works again
  stale(): void;
}

// Rejects with kAborted, or with what no further attempt would mend. `what`: of whose arrival the hub tells (arrivals.ts).
export async function untilHere<T>(ask: () => Promise<T>, signal: AbortSignal, hear: Hear, what = ''): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      const here = await ask();
      if (failures) hear.error('');
      return here;
    } catch (e) {
      if (signal.aborted) throw kAborted;
      if (!(e instanceof ApiError)) {
        hear.error(sentence(e));
        throw e;
      }
      if (e.recalling) hear.cold(e.etaMs, /archive: (.*)/.exec(e.message)?.[1] ?? '');
      // Without a session, too: the page goes on when somebody has signed in again.
      else if (e.status === 0 || e.status === 401 || e.status >= 500) hear.error(sentence(e));
      else {
        if (e.status === 410) hear.stale();
        else hear.error(sentence(e));
        throw e;
      }
      const wait = e.recalling ? e.etaMs : 500 * 2 ** Math.min(4, failures++);
      await pause(Math.min(Math.max(50, wait), e.recalling ? kLongestWaitMs : 8000), signal, e.recalling ? what : '');
    }
  }
}

// Asks again while it is recalled; every other failure is the caller's.
export async function untilArrived<T>(ask: () => Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (e) {
      if (!(e instanceof ApiError && e.recalling)) throw e;
      await pause(Math.min(kLongestWaitMs, Math.max(50, e.etaMs)), signal, what);
    }
  }
}

// Ends sooner when `what` has arrived.
export function pause(ms: number, signal: AbortSignal, what = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      stop();
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
    const onAbort = () => {
      clearTimeout(timer);
      stop();
      reject(kAborted);
    };
    const timer = setTimeout(end, ms);
    const stop = what ? onArrival(what, end) : () => {};
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

// Which tiles are waited for, and when the last of them is expected.
export class Waiting<Key> {
  private readonly expected = new Map<Key, number>();
  private reason = '';

  // 0 tiles: nothing is waited for.
  constructor(private readonly changed: (tiles: number, etaMs: number, reason: string) => void) {}

  set(key: Key, etaMs: number, reason: string): void {
    this.expected.set(key, Date.now() + etaMs);
    this.reason = reason;
    this.report();
  }

  end(key: Key): void {
    if (this.expected.delete(key)) this.report();
  }

  private report(): void {
    const last = Math.max(0, ...this.expected.values());
    this.changed(this.expected.size, this.expected.size ? Math.max(0, last - Date.now()) : 0, this.reason);
  }
}
