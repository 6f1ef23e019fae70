import { useQueryClient } from '@tanstack/react-query';
import { useEffect, type ReactNode } from 'react';
import { ApiError, sentence } from '../api/client';
import { followEvents } from '../api/events';
import { useSession, useStatus } from '../api/queries';
import { ShareDialog } from '../share/dialog';
import { bytes, percent } from '../ui/format';
import { Icon, type IconName } from '../ui/icons';
import { Message } from '../ui/message';
import { useSampling } from '../system/samples';
import { Keys } from './keys';
import { Notices } from './notices';
import { useUi, type Theme } from './store';
import './shell.css';

const kPages = [
  { page: 'data', name: 'Datasets' },
  { page: 'run', name: 'Analyse' },
  { page: 'runs', name: 'Runs' },
  { page: 'system', name: 'System' },
];

const kNextTheme: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };
const kThemeIcon: Record<Theme, IconName> = { system: 'auto', light: 'sun', dark: 'moon' };

function ThemeButton() {
  const theme = useUi((s) => s.theme);
  const setTheme = useUi((s) => s.setTheme);
  const name = `Colours: ${theme === 'system' ? 'as the system has them' : theme}`;
  return (
    <button type="button" className="icon-button" aria-label={name} title={name} onClick={() => setTheme(kNextTheme[theme])}>
      <Icon name={kThemeIcon[theme]} />
    </button>
  );
}

// How full the SSD is, on every page: it decides whether the next fetch has to evict.
function Meter() {
  const { data } = useStatus();
  if (!data) return null;
  const text = `SSD ${percent(data.used_bytes, data.capacity_bytes)} % used`;
  const unwell = data.health.length > 0;
  return (
    <a className={`meter${unwell ? ' meter-unwell' : ''}`} href="#/system" title={unwell ? data.health[0] : `${bytes(data.used_bytes)} of ${bytes(data.capacity_bytes)}`}>
      {unwell && <Icon name="warning" />}
      <span>{text}</span>
      <span className="meter-bar" aria-hidden="true"><span style={{ width: `${percent(data.used_bytes, data.capacity_bytes)}%` }} /></span>
    </a>
  );
}

// What one was looking at stays: the page goes on with the session of another tab.
function SignedOut({ here }: { here: boolean }) {
  return (
    <div className="banner" role="alert">
      <Icon name="warning" />
      <span>
        Your session has ended: sessions end when the hub is started again, and after 12 hours without use.{' '}
        {here ? 'Open the new link that tierweb printed, in this browser' : <a href="login" target="_blank" rel="noreferrer">Sign in in another tab</a>}; this page then continues by itself.
      </span>
    </div>
  );
}

// Nobody has signed in yet: there is nothing else to show.
function SignIn() {
  return (
    <Message kind="empty" title="Sign in to see your data" text="The hub shows the data that your account of this machine may read.">
      <a className="button button-primary" href="login">Sign in</a>
    </Message>
  );
}

const isSignedOut = (error: unknown) => error instanceof ApiError && error.status === 401;

function Banner() {
  const { data, error } = useSession();
  if (error) {
    if (isSignedOut(error) && !data) return null;
    if (isSignedOut(error)) return <SignedOut here={data?.here ?? false} />;
    return <div className="banner" role="alert"><Icon name="warning" /> {sentence(error)}</div>;
  }
  if (data?.error) return <div className="banner" role="alert"><Icon name="warning" /> {sentence(data.error)}</div>;
  return null;
}

export function Shell({ page, children }: { page: string; children: ReactNode }) {
  const { data: session, error } = useSession();
  const showKeys = useUi((s) => s.showKeys);
  useSampling();
  const client = useQueryClient();
  const user = session?.user;
  useEffect(() => (user === undefined ? undefined : followEvents(client)), [client, user]);

  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.key === '?' && !(e.target instanceof HTMLElement && e.target.matches('input:not([type=range]):not([type=checkbox]), textarea'))) showKeys(true);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [showKeys]);

  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>Skip to the content</a>
      <header className="top">
        <a className="brand" href="#/data">TierHub</a>
        <nav className="tabs" aria-label="Pages">
          {kPages.map((p) => (
            <a key={p.page} href={`#/${p.page}`} aria-current={p.page === page || (p.page === 'data' && (page === 'view' || page === 'find')) ? 'page' : undefined}>{p.name}</a>
          ))}
        </nav>
        <span className="top-space" />
        <Meter />
        {session && <span className="who" title={`tierhub ${session.version}`}>{session.user}@{session.host}</span>}
        {session && !session.here && (
          <form method="post" action="logout">
            <button className="button">Sign out</button>
          </form>
        )}
        <ThemeButton />
        <button type="button" className="icon-button top-keys" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => showKeys(true)}><Icon name="keys" /></button>
      </header>
      <Banner />
      <main id="main" tabIndex={-1}>{!session && isSignedOut(error) ? <SignIn /> : children}</main>
      <Notices />
      <Keys />
      <ShareDialog />
    </div>
  );
}
