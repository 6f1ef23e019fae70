import { afterEach, expect, it, vi } from 'vitest';
import { publish, publishReceipt, publishText, usePublishes } from './publishes';

const progress = (more = {}) => ({ id: 5, done: false, pending_keys: 2, pending_bytes: 1024, published_files: 1, published_bytes: 3072, waiting: [], ...more });
function answer(...steps: (object | number)[]) {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (address: string) => {
    const step = steps[Math.min(asked.push(address) - 1, steps.length - 1)];
    return typeof step === 'number' ? new Response('{"error": "there is no such publish"}', { status: step }) : new Response(JSON.stringify(step));
  });
  return asked;
}
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it('says how far it is and what it waits for', () => {
  expect(publishText(progress())).toBe('3.0 KiB of 4.0 KiB in the archive, 2 changes left');
  const waiting = [{ path: '/a/x', reason: 'open for writing', open_for_writing: true }, { path: '/a/y', reason: 'refused', open_for_writing: false }];
  expect(publishText(progress({ waiting }))).toBe('3.0 KiB of 4.0 KiB in the archive · /a/x: open for writing, and 1 other');
});

it('is followed until it is done', async () => {
  vi.useFakeTimers();
  const asked = answer(progress(), progress({ pending_keys: 1 }), progress({ done: true, published_files: 3 }));
  const receipt = publish(['/a'], 'a');
  await vi.advanceTimersByTimeAsync(400);
  expect(usePublishes.getState().list).toMatchObject([{ id: 5, label: 'a', progress: { pending_keys: 1 } }]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await receipt).toBe('a: 3 files (3.0 KiB) sent. The archive has all of it.');
  expect(asked.at(-1)).toBe('api/v1/publish/5?wait_ms=400');
  expect(usePublishes.getState().list).toEqual([]);
});

it('a hidden one is not asked for any more', async () => {
  vi.useFakeTimers();
  const asked = answer(progress());
  const receipt = publish(['/a'], 'a');
  await vi.advanceTimersByTimeAsync(10);
  usePublishes.getState().hide(5);
  await vi.advanceTimersByTimeAsync(5000);
  expect(await receipt).toBeNull();
  expect(asked.length).toBeLessThan(4);
});

it('one that tierd has forgotten is no success', async () => {
  vi.useFakeTimers();
  answer(progress(), 404);
  const receipt = publish(['/a'], 'a').catch((e: Error) => e.message);
  await vi.advanceTimersByTimeAsync(5000);
  expect(await receipt).toContain('it is not known whether');
});

it('nothing to send is a good answer, too', () => expect(publishReceipt('a', progress({ published_files: 0 }))).toBe('a: the archive has all of it already.'));
