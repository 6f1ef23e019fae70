import { lazy, Suspense, useEffect } from 'react';
import { FindPage } from '../datasets/find';
import { DatasetsPage } from '../datasets/page';
import { RunsPage } from '../runs/page';
import { SystemPage } from '../system/page';
import { Message } from '../ui/message';
import { ErrorBoundary } from './boundary';
import { parseHash, titleOf, useHash } from './route';
import { Shell } from './shell';

// The viewer brings deck.gl: it is loaded when an image is opened.
const ViewerPage = lazy(() => import('../viewer/page'));
const RunFormPage = lazy(() => import('../workflow/page'));

function Page({ hash }: { hash: string }) {
  const { page, query } = parseHash(hash);
  switch (page) {
    case 'data':
      return <DatasetsPage path={query.get('path') || '/'} />;
    case 'find':
      return <FindPage name={query.get('name') ?? ''} path={query.get('path') || '/'} />;
    case 'view':
      return <ViewerPage key={query.get('path')} path={query.get('path') ?? ''} />;
    case 'run':
      return <RunFormPage workflow={query.get('workflow') ?? ''} dataset={query.get('dataset') ?? ''} channel={query.get('channel') ?? ''} from={query.get('from') ?? ''} />;
    case 'runs':
      return <RunsPage run={query.get('run') ?? ''} job={query.get('job') ?? ''} tab={query.get('tab') ?? ''} file={query.get('file') ?? ''} find={query.get('find') ?? ''} />;
    case 'system':
      return <SystemPage />;
    default:
      return <Message kind="empty" title="There is no such page" text="Choose one above." />;
  }
}

export function App() {
  const hash = useHash();
  const route = parseHash(hash);
  const { page } = route;
  const title = titleOf(route);
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <Shell page={page}>
      <ErrorBoundary key={page}>
        <Suspense fallback={<Message kind="wait" title="Loading the page" />}>
          <Page hash={hash} />
        </Suspense>
      </ErrorBoundary>
    </Shell>
  );
}
