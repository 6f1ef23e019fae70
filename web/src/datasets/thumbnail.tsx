import { useEffect, useState } from 'react';
import { query } from '../api/client';
import type { Listed } from '../api/types';
import { Icon } from '../ui/icons';

// The hub may be fetching the few bytes that a thumbnail needs: a later attempt has it.
const kRetryMs = 4000;
const kAttempts = 4;

export function Thumbnail({ dataset, size }: { dataset: Pick<Listed, 'path' | 'state'>; size: number }) {
  const [attempt, setAttempt] = useState(0);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    setFailed(false);
    setAttempt(0);
  }, [dataset.path, dataset.state]);
  useEffect(() => {
    if (!failed || attempt >= kAttempts) return undefined;
    const timer = setTimeout(() => {
      setFailed(false);
      setAttempt(attempt + 1);
    }, kRetryMs * 2 ** attempt);
    return () => clearTimeout(timer);
  }, [failed, attempt]);
  if (failed) {
    return (
      <span className="thumbnail thumbnail-none" style={{ width: size, height: size }} title={dataset.state === 'cold' ? 'In the archive: no preview on the SSD' : 'No preview'}>
        <Icon name="image" />
      </span>
    );
  }
  return <img className="thumbnail" key={attempt} width={size} height={size} src={`api/thumbnail?${query({ path: dataset.path })}`} alt="" loading="lazy" decoding="async" onError={() => setFailed(true)} />;
}
