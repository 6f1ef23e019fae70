import { Component, type ReactNode } from 'react';
import { sentence } from '../api/client';
import { Message } from '../ui/message';

// A page that fails leaves the rest of the hub usable.
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <Message kind="error" title="This page failed" text={sentence(this.state.error)}>
        <button type="button" className="button" onClick={() => window.location.reload()}>
          Reload the page
        </button>
      </Message>
    );
  }
}
