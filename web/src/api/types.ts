// The answers of the hub and of tierd, as docs/API.md describes them.

import type { Plate } from '../plates/plate';

export type State = '' | 'cold' | 'partial' | 'hot' | 'dirty';

export interface Session {
  user: string;
  host: string;
  version: string;
  mount: string;
  tierd: boolean;
  here: boolean; // tierweb --here: there is nothing to sign out of
  error: string;
}

export interface Entry {
  path: string;
  kind: string;
  state: State;
  size: number;
  resident: number;
  dirty: number;
  mtime: string;
  writing: boolean;
  pins: string[];
  files: number;
}

export interface Listing {
  entries: Entry[];
  next: string;
}

export interface Shape {
  t: number;
  c: number;
  z: number;
  y: number;
  x: number;
}

export interface Channel {
  name: string;
  colour: string | null;
}

export interface Dataset {
  path: string;
  name: string;
  format: string;
  version: string;
  axes: string;
  shape: Partial<Shape>;
  type: string;
  bytes: number;
  voxel_size: { z: number | null; y: number | null; x: number | null } | null;
  voxel_unit: string;
  levels?: { shape: Partial<Shape>; stored: boolean }[];
  tile: number;
  histograms?: (Histogram | null)[]; // of the middle plane, as far as the hub has counted it
  channels: Channel[];
  labels: string[];
  plate?: Plate | string | null; // of a field: the path of its plate; "": none
  well?: string | null; // "A/1"
  not_decodable: string | null;
  state: State | null;
  resident: number | null;
  size: number | null;
  dirty?: number | null;
  summed?: boolean; // false: state, size, resident and dirty were not asked for
  pyramid?: { state: 'waiting' | 'building' | 'ready' | 'failed'; done: number; reason: string } | null; // smaller levels that the hub builds
}

// In a list: without what only an opened image knows. One with an `error` is damaged (`not_decodable`), or
// its metadata is in the archive and it was not opened for the list.
export type Listed = Omit<Dataset, 'version' | 'levels' | 'labels'>;
export type Unreadable = Pick<Dataset, 'path' | 'name' | 'state' | 'size' | 'resident' | 'not_decodable'> & { error: string; is_plate?: boolean };

export const isReadable = (d: Listed | Unreadable): d is Listed => !('error' in d && d.error);

export interface Datasets {
  path: string;
  datasets: (Listed | Unreadable)[];
  left_out: string[];
}

export interface Prefetch {
  id: number;
  state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'parked';
  label: string;
  total_bytes: number;
  done_bytes: number;
  copied_bytes: number;
  total_files: number;
  done_files: number;
  failed_files: number;
  first_error: string;
  rate_bytes_per_s: number;
  eta_s: number;
  reason: string;
  created: string;
  ended: string | null;
}

export interface EvictResult {
  files: number;
  bytes: number;
  skipped: { path: string; reason: string }[];
  skipped_files: number;
}

export interface PublishProgress {
  id: number;
  done: boolean;
  pending_keys: number;
  pending_bytes: number;
  published_files: number;
  published_bytes: number;
  waiting: { path: string; reason: string; open_for_writing: boolean }[];
}

export interface FileCount {
  files: number;
}

export interface Status {
  version: string;
  mount: string;
  archive: string;
  scratch: string;
  data_path: string;
  archive_state: string;
  copy_engine: string;
  uptime_s: number;
  import_running: boolean;
  import_files: number;
  capacity_bytes: number;
  used_bytes: number;
  reserve_bytes: number;
  high_bytes: number;
  low_bytes: number;
  writers_waiting: number;
  oldest_writer_wait_s: number;
  publish_bytes_per_s: number;
  dirty_files: number;
  dirty_bytes: number;
  oldest_dirty_age_s: number;
  parked_keys: number;
  conflicts: number;
  first_parked_reason: string;
  prefetch_bytes: number;
  recall_bytes: number;
  published_bytes: number;
  evicted_bytes: number;
  fuse_read_requests: number;
  fuse_write_requests: number;
  fuse_lookup_requests: number;
  fuse_open_requests: number;
  prefetches_active: number;
  parked_prefetches: number[];
  agents: number;
  agents_gone: number;
  summary: string;
  health: string[];
}

export interface Agent {
  host: string;
  uid: number;
  state: string;
  folders: string[];
  workers: number;
  runs: number;
  heard: string;
  gone: boolean;
}

export interface Run {
  run: string;
  uid: number;
  state: string;
  workflow: string;
  updated: string;
  json: string;
  agent: string;
  agent_gone: string | null;
}

export interface Histogram {
  bins: number[];
  low: number;
  high: number;
  p01: number;
  p999: number;
  level: number;
  z?: number;
}
