import { useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useState } from 'react';
import { FindPage } from '../datasets/find';
import { datasetQuery } from '../api/queries';
import { DatasetsPage } from '../datasets/page';
import { RunsPage } from '../runs/page';
import { SystemPage } from '../system/page';
import { Message } from '../ui/message';
import { loadedViewer, loadViewer, lookAhead } from './ahead';
import { ErrorBoundary } from './boundary';
import { parseHash, titleOf, useHash } from './route';
import { Shell } from './shell';

const RunFormPage = lazy(() => import('../workflow/page'));

// What lazy() does, but React keeps what stands for a page that loads for a third of a second, also if it is there at once.
function ViewerPage({ path }: { path: string }) {
  const [viewer, setViewer] = useState(loadedViewer);
  const [error, setError] = useState<unknown>(null);
  const client = useQueryClient();
  useEffect(() => {
    if (viewer) return;
    void client.prefetchQuery({ ...datasetQuery(path), retry: false });
    loadViewer().then(setViewer, setError);
  }, [viewer, client, path]);
  if (error) throw error;
  const Loaded = viewer?.default;
  return Loaded ? <Loaded path={path} /> : <Message kind="wait" title="Loading the page" />;
}

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
  const client = useQueryClient();
  useEffect(() => lookAhead(client), [client]);
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
