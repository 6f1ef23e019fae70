import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { worthRetrying } from './api/queries';
import { App } from './app/app';
import { applyTheme, useUi } from './app/store';
import './ui/base.css';

applyTheme(useUi.getState().theme);
useUi.subscribe((s) => applyTheme(s.theme));

const client = new QueryClient({ defaultOptions: { queries: { retry: worthRetrying, staleTime: 1000 } } });

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
