// Moving bytes between the tiers, as tierd's API offers it.
import { useQueryClient } from '@tanstack/react-query';
import { ApiError, change, sentence } from '../api/client';
import { nameOf, shown } from '../api/paths';
import { refreshResidency } from '../api/queries';
import type { EvictResult, FileCount, Prefetch } from '../api/types';
import { useUi } from '../app/store';
import { bytes, plural } from '../ui/format';
import { unpinCommand } from './commands';
import { publish } from './publishes';

export function labelOf(paths: string[]): string {
  const first = paths[0] === '/' ? 'all data' : shown(nameOf(paths[0] ?? ''));
  return paths.length > 1 ? `${first} and ${plural(paths.length - 1, 'other')}` : first;
}

export function evictSentence(result: EvictResult): string {
  const freed = result.files ? `Freed ${bytes(result.bytes)} of the SSD (${plural(result.files, 'file')}).` : 'Nothing was freed.';
  if (!result.skipped_files) return result.files ? `${freed} The data stays in the archive.` : `${freed} None of this is on the SSD.`;
  const one = result.skipped[0];
  const why = one ? `, for example ${shown(one.path)}: ${one.reason}` : '';
  return `${freed} ${plural(result.skipped_files, 'file')} had to stay${why}.`;
}

export function useTierActions() {
  const client = useQueryClient();
  const { say, remember } = useUi.getState();

  async function run(what: () => Promise<void>) {
    try {
      await what();
    } catch (e) {
      say('error', sentence(e));
    }
    refreshResidency(client);
  }

  return {
    bring: (paths: string[]) =>
      run(async () => {
        const p = await change<Prefetch>('POST', 'api/v1/prefetch', { paths, label: labelOf(paths) });
        remember(p.id, paths);
        if (p.state === 'done' && p.copied_bytes === 0) say('info', `${p.label || 'This'} is on the SSD already.`);
      }),
    cancel: (id: number) =>
      run(async () => {
        await change<Prefetch>('DELETE', `api/v1/prefetch/${id}`);
      }),
    resume: (id: number) =>
      run(async () => {
        await change<Prefetch>('POST', `api/v1/prefetch/${id}/resume`);
      }),
    evict: (paths: string[]) =>
      run(async () => {
        say('info', evictSentence(await change<EvictResult>('POST', 'api/v1/evict', { paths })));
      }),
    publish: (paths: string[]) =>
      run(async () => {
        const receipt = await publish(paths, labelOf(paths));
        if (receipt) say('info', receipt);
      }),
    unpin: (paths: string[], owner: string) =>
      run(async () => {
        const { files } = await change<FileCount>('POST', 'api/v1/unpin', { paths, owner }).catch((e: unknown) => {
          throw e instanceof ApiError && e.status === 403 ? new Error(`${sentence(e)} An administrator does it with: ${unpinCommand(paths, owner)}`) : e;
        });
        say('info', files ? `${labelOf(paths)}: ${plural(files, 'file')} unpinned. The space can be freed now.` : `${shown(owner)} has pinned nothing here: what a run keeps ends with the run.`);
      }),
  };
}
