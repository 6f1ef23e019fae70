import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, change, sentence } from '../api/client';
import { refreshResidency, useSession } from '../api/queries';
import type { FileCount } from '../api/types';
import { useUi } from '../app/store';
import { CopyField } from '../share/copy';
import { Dialog } from '../ui/dialog';
import { plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { labelOf, useTierActions } from './actions';
import { pinCommand } from './commands';

function Content({ paths, onDone }: { paths: string[]; onDone(): void }) {
  const client = useQueryClient();
  const user = useSession().data?.user ?? '';
  const { bring } = useTierActions();
  const [reason, setReason] = useState('');
  const [rest, setRest] = useState(true);
  const [error, setError] = useState('');
  const [refused, setRefused] = useState(false);
  const [busy, setBusy] = useState(false);
  const keep = async () => {
    setBusy(true);
    setError('');
    setRefused(false);
    try {
      const { files } = await change<FileCount>('POST', 'api/v1/pin', { paths, owner: user, reason: reason.trim() });
      useUi.getState().say('info', `${labelOf(paths)}: ${plural(files, 'file')} pinned. They stay on the SSD until somebody unpins them.`);
      refreshResidency(client);
      onDone();
      if (rest) await bring(paths);
    } catch (e) {
      setError(sentence(e));
      setRefused(e instanceof ApiError && e.status === 403);
      setBusy(false);
    }
  };
  return (
    <form className="keep" onSubmit={(e) => { e.preventDefault(); void keep(); }}>
      <p className="muted">What is pinned is never evicted, until somebody unpins it: others have less room. Files that are added later are not pinned.</p>
      <label>Why, for others to read<input className="input" value={reason} maxLength={200} placeholder="course on Monday" onChange={(e) => setReason(e.target.value)} /></label>
      <label className="keep-rest"><input type="checkbox" checked={rest} onChange={(e) => setRest(e.target.checked)} /> Bring to the SSD what is only in the archive</label>
      {error && <p className="bad" role="alert">{error}{refused && ' Send an administrator this command:'}</p>}
      {refused && <CopyField name="Command for an administrator" text={pinCommand(paths, reason.trim())} />}
      <div className="message-actions"><button type="submit" className="button button-primary" disabled={busy}><Icon name="pin" /> Keep on SSD</button></div>
    </form>
  );
}

export function Keep({ paths, onClose }: { paths: string[]; onClose(): void }) {
  return (
    <Dialog title={paths.length ? `Keep ${labelOf(paths)} on the SSD` : 'Keep on the SSD'} open={paths.length > 0} onClose={onClose}>
      <Content paths={paths} onDone={onClose} />
    </Dialog>
  );
}
