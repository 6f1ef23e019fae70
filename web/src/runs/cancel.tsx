import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { sentence } from '../api/client';
import { cancelRun } from '../api/runs';
import { useUi } from '../app/store';
import { Icon } from '../ui/icons';

export function CancelRun({ run, done, total }: { run: string; done: number; total: number }) {
  const client = useQueryClient();
  const say = useUi((s) => s.say);
  const box = useRef<HTMLDialogElement>(null);
  const [asked, setAsked] = useState(false);
  const cancel = async () => {
    box.current?.close();
    setAsked(true);
    try {
      await cancelRun(run);
    } catch (e) {
      say('error', `The run was not cancelled: ${sentence(e)}`);
      setAsked(false);
    }
    for (const key of ['run', 'runs', 'details']) void client.invalidateQueries({ queryKey: [key] });
  };
  return (
    <>
      <button type="button" className="button" disabled={asked} onClick={() => box.current?.showModal()}><Icon name="close" /> {asked ? 'Cancelling…' : 'Cancel'}</button>
      <dialog ref={box} className="confirm" aria-label="Cancel the run?">
        <h2>Cancel this run?</h2>
        <p>{done} of {total} tasks are done. Tasks that run are stopped. What has been written is kept under the name of the results with “.incomplete”.</p>
        <div className="message-actions">
          <button type="button" className="button" autoFocus onClick={() => box.current?.close()}>Keep it running</button>
          <button type="button" className="button button-danger" onClick={() => void cancel()}>Cancel the run</button>
        </div>
      </dialog>
    </>
  );
}
