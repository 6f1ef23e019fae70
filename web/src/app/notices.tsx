import { useEffect } from 'react';
import { Icon } from '../ui/icons';
import { useUi, type Notice } from './store';
import './notices.css';

function One({ notice }: { notice: Notice }) {
  const dismiss = useUi((s) => s.dismiss);
  useEffect(() => {
    if (notice.kind === 'error') return undefined; // an error stays until somebody has read it
    const timer = setTimeout(() => dismiss(notice.id), 8000);
    return () => clearTimeout(timer);
  }, [notice, dismiss]);
  return (
    <div className={`notice notice-${notice.kind}`} role={notice.kind === 'error' ? 'alert' : 'status'}>
      {notice.kind === 'error' && <Icon name="warning" />}
      <span>{notice.text}</span>
      <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => dismiss(notice.id)}><Icon name="close" /></button>
    </div>
  );
}

export function Notices() {
  const notices = useUi((s) => s.notices);
  return <div className="notices">{notices.map((n) => <One key={n.id} notice={n} />)}</div>;
}
