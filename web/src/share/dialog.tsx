import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { sentence } from '../api/client';
import { nameOf, shown } from '../api/paths';
import { useSession } from '../api/queries';
import { endShare, makeShare, shareAddress, useShares, type Share } from '../api/shares';
import { useUi } from '../app/store';
import { Dialog } from '../ui/dialog';
import { date, plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { CopyField } from './copy';
import './share.css';

// The hub has links of 1 hour to 31 days.
const kLives: [hours: number, name: string][] = [[1, '1 hour'], [24, '1 day'], [168, '1 week'], [744, '31 days']];

const isLocal = (host: string) => /^(localhost|127\.|\[?::1)/.test(host);

function Link({ share }: { share: Share }) {
  const v3 = shareAddress(share, 'v3', window.location.href);
  return (
    <div className="share-link">
      <CopyField name="OME-Zarr 0.5 (Zarr version 3)" text={v3} />
      <CopyField name="OME-Zarr 0.4 (Zarr version 2)" text={shareAddress(share, 'v2', window.location.href)} />
      <CopyField name="In Python, with zarr and fsspec" text={`zarr.open("${v3}", mode="r")["0"]`} />
    </div>
  );
}

function Mine({ shares, path, onEnd }: { shares: Share[]; path: string; onEnd(share: Share): void }) {
  const [open, setOpen] = useState('');
  // Those of this image first; the hub has sorted them by their end.
  const sorted = [...shares.filter((s) => s.path === path), ...shares.filter((s) => s.path !== path)];
  return (
    <ul className="shares">
      {sorted.map((s) => (
        <li key={s.token}>
          <div className="share-line">
            <span className="share-name" title={shown(s.path)}>{shown(nameOf(s.path))}<span className="muted"> until {date(s.expires)}</span></span>
            <button type="button" className="button button-small" aria-expanded={open === s.token} aria-label={`Addresses of ${shown(nameOf(s.path))}, shared until ${date(s.expires)}`} onClick={() => setOpen(open === s.token ? '' : s.token)}>Addresses</button>
            <button type="button" className="button button-small" aria-label={`Take back ${shown(nameOf(s.path))}, shared until ${date(s.expires)}`} onClick={() => onEnd(s)}>Take back</button>
          </div>
          {open === s.token && <Link share={s} />}
        </li>
      ))}
    </ul>
  );
}

function Content({ path }: { path: string }) {
  const client = useQueryClient();
  const session = useSession().data;
  const { data, error: unknown } = useShares();
  const [hours, setHours] = useState(24);
  const [made, setMade] = useState<Share | null>(null);
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);

  const run = async (what: () => Promise<void>) => {
    setBusy(true);
    setError('');
    try {
      await what();
    } catch (e) {
      setError(sentence(e));
    }
    setBusy(false);
    void client.invalidateQueries({ queryKey: ['shares'] });
  };
  const make = () => run(async () => setMade(await makeShare(path, hours)));
  const end = (share: Share) =>
    run(async () => {
      await endShare(share.token);
      if (made?.token === share.token) setMade(null);
    });

  return (
    <>
      <p className="share-path">{shown(path)}</p>
      <p className="muted">
        Anybody who has the link can read this image and its labels, without an account and without changing anything, for as long as you choose.
        The link ends sooner if you sign out, and when the hub restarts.
      </p>
      {isLocal(window.location.hostname) && <p className="warning"><Icon name="warning" /> This hub is open on this computer only{session ? ` (${session.host})` : ''}: the link works here and nowhere else.</p>}
      <form className="share-make" onSubmit={(e) => { e.preventDefault(); void make(); }}>
        <label>For{' '}
          <select className="input" value={hours} onChange={(e) => setHours(Number(e.target.value))}>
            {kLives.map(([n, name]) => <option key={n} value={n}>{name}</option>)}
          </select>
        </label>
        <button type="submit" className="button button-primary" disabled={busy}><Icon name="link" /> {made ? 'Make another link' : 'Make a link'}</button>
      </form>
      {error && <p className="bad" role="alert">{error}</p>}
      {made && (
        <section aria-label="The new link">
          <h3>The link, until {date(made.expires)}</h3>
          <Link share={made} />
        </section>
      )}
      <section aria-label="What you share">
        <h3>{data?.length ? `You share ${plural(data.length, 'link')}` : 'What you share'}</h3>
        {unknown && !data ? <p className="bad">{sentence(unknown)}</p> : data && !data.length ? <p className="muted">Nothing is shared.</p> : null}
        {data && <Mine shares={data} path={path} onEnd={(s) => void end(s)} />}
      </section>
    </>
  );
}

// Links to one image for people without an account, and for programs. Opened by useUi's share().
export function ShareDialog() {
  const path = useUi((s) => s.sharing);
  const share = useUi((s) => s.share);
  return (
    <Dialog title="Share this image" open={path !== ''} onClose={() => share('')}>
      <Content path={path} />
    </Dialog>
  );
}
