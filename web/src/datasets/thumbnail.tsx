import { useEffect, useState } from 'react';
import type { Dataset } from '../api/types';
import { Icon } from '../ui/icons';

// Thumbnails come from bytes on the SSD only: for a cold image there is none until it has been fetched.
export function Thumbnail({ dataset, size }: { dataset: Dataset; size: number }) {
  const [failed, setFailed] = useState(false);
  useEffect(() => setFailed(false), [dataset.path, dataset.version, dataset.state]);
  const address = `api/thumbnail?${new URLSearchParams({ path: dataset.path, version: dataset.version })}`;
  if (failed || dataset.state === 'cold') {
    return (
      <span className="thumbnail thumbnail-none" style={{ width: size, height: size }} title={dataset.state === 'cold' ? 'In the archive: no preview on the SSD' : 'No preview'}>
        <Icon name="image" />
      </span>
    );
  }
  return <img className="thumbnail" width={size} height={size} src={address} alt="" loading="lazy" decoding="async" onError={() => setFailed(true)} />;
}
