// Status, runs and agents of the mock; numbers move so that charts and progress can be watched.
import { jobRuns } from './workflows.mjs';

const kMiB = 2 ** 20;

export function status(world, { health = [] } = {}) {
  const s = (Date.now() - world.started) / 1000;
  const used = world.leaves().reduce((n, l) => n + l.resident, 0);
  const wave = (period, top) => (top * (1 + Math.sin(s / period))) / 2;
  const copied = world.prefetches.reduce((n, p) => n + p.copied_bytes, 0);
  return {
    version: '0.1.0', pid: 812, mount: '/mnt/tier', archive: '/srv/archive', scratch: '/ssd/scratch', state: '/var/lib/tierhub', state_shares_scratch: false,
    data_path: 'passthrough', archive_state: 'online', copy_engine: 'io_uring', uptime_s: 86400.5 + s, import_running: false, import_files: 120000,
    capacity_bytes: world.capacity, used_bytes: used, reserve_bytes: 80 * kMiB, high_bytes: 86 * 1024 * kMiB, low_bytes: 76 * 1024 * kMiB,
    writers_waiting: 0, oldest_writer_wait_s: 0, publish_bytes_per_s: wave(7, 140 * kMiB), dirty_files: 2, dirty_bytes: 55 * kMiB, oldest_dirty_age_s: 12.5,
    journal_keys: 3, parked_keys: 0, conflicts: 0, first_parked_reason: '', prefetch_bytes: copied, prefetch_files: 0,
    recall_bytes: s * 60 * kMiB + 400 * kMiB * Math.sin(s / 9), recall_chunks: 0, unkept_recall_bytes: 0, growing_recall_bytes: 0, answered_first_bytes: 0,
    published_bytes: s * 70 * kMiB + 300 * kMiB * Math.sin(s / 5), published_files: 31, patched_files: 0, cloned_bytes: 0, evicted_bytes: world.evicted, evicted_files: 0,
    fuse_read_requests: Math.round(s * 800 + 2500 * Math.sin(s / 4)), fuse_write_requests: Math.round(s * 120), fuse_lookup_requests: Math.round(s * 300), fuse_open_requests: Math.round(s * 20),
    passthrough_opens: 4, prefetches_active: world.prefetches.filter((p) => p.state === 'running').length, parked_prefetches: [], agents: 2, agents_gone: 1,
    summary: health[0] ?? 'ok', health,
  };
}

function tasks(step, names, ended, running, from) {
  return names.map((task, i) => {
    const state = i < ended ? 'done' : i < ended + running ? 'running' : 'queued';
    const start = new Date(from + i * 9000).toISOString();
    return state === 'queued' ? null : { step, task, state, attempts: 1, slot: i % 4, start, end: state === 'done' ? new Date(from + i * 9000 + 21000 + 1500 * (i % 5)).toISOString() : null, exit_code: state === 'done' ? 0 : null, reason: '' };
  }).filter(Boolean);
}

const blocks = (n) => Array.from({ length: n }, (_, i) => `block-${String(i).padStart(2, '0')}`);

// Each run as its status.json has it.
export function statuses(world, options = {}) {
  const now = Date.now();
  const t0 = world.started - 200000;
  const done = Math.min(21, 6 + Math.floor((now - world.started) / 4000));
  const live = {
    run: 'count-nuclei-20261130T020000Z-qwer', workflow: 'count-nuclei', user: 'ada', state: 'running', progress: done / 24, tasks_total: 24, tasks_done: done, tasks_failed: 0, tasks_running: 3,
    bytes_staged: 3.1e9, bytes_copied: 1.2e9, eta_s: 9 * (24 - done), started: new Date(t0).toISOString(), updated: new Date(now).toISOString(), ended: null, workers: 4,
    wall_s: (now - t0) / 1000, serial_equivalent_s: 24 * done, speed_up: null, speed_up_against: '', busy_processors: 3.1, limited_by: 'archive: for 41 % of the time of its 4 workers, tasks waited until their data was on the fast tier', output: '/mnt/tier/brain42/counts', work: '/var/lib/tierhub/work/1', left_out: [], not_obeyed: [],
    waits_for: 'waits until /brain42/scan.ome.zarr has not changed for 5 s', error: '', tasks: [...tasks('smooth', blocks(12), Math.min(12, done), 3, t0), ...(done > 12 ? tasks('label', blocks(12), done - 12, 3, t0 + 90000) : [])],
  };
  const failed = {
    ...live, run: 'segment-20261129T101500Z-abcd', workflow: 'segment', state: 'failed', progress: 0.25, tasks_total: 8, tasks_done: 2, tasks_failed: 1, tasks_running: 0, eta_s: 0, waits_for: '',
    error: 'step "label" failed for well B/03: imgop: there is no memory for 40 GiB: use smaller blocks', started: '2026-11-29T10:15:00Z', updated: '2026-11-29T10:17:31Z', ended: '2026-11-29T10:17:31Z', wall_s: 151,
    not_obeyed: ['gpu: this agent has none'], left_out: ['/plates/screen-03/C/01.tif: still being written'],
    tasks: [...tasks('smooth', ['B/01', 'B/02'], 2, 0, Date.parse('2026-11-29T10:15:05Z')), { step: 'label', task: 'B/03', state: 'failed', attempts: 3, slot: 1, start: '2026-11-29T10:16:00Z', end: '2026-11-29T10:17:31Z', exit_code: 137, reason: 'there is no memory for 40 GiB' }],
  };
  const finished = { ...live, run: 'align-20261128T080000Z-zxcv', workflow: 'align', state: 'done', progress: 1, tasks_total: 6, tasks_done: 6, tasks_running: 0, eta_s: 0, waits_for: '', started: '2026-11-28T08:00:00Z', updated: '2026-11-28T08:11:00Z', ended: '2026-11-28T08:11:00Z', wall_s: 660, serial_equivalent_s: 2180, speed_up: 3.3, speed_up_against: 'align-20261127T080000Z-qwer', busy_processors: 3.6, limited_by: 'processors: 3.6 of 4 processors were busy on average', tasks: undefined };
  return [...jobRuns(world, options).reverse(), live, failed, finished];
}

// As tierd knows them: an agent that reports to tierd may leave single tasks out.
export function runs(world, options) {
  return statuses(world, options).map((r) => ({ run: r.run, uid: 1000, state: r.state, workflow: r.workflow, updated: r.updated, json: JSON.stringify({ ...r, tasks: undefined }), agent: 'node-1', agent_gone: null }));
}

export const agents = (options = {}) => (options.noAgent ? [] : [
  { host: 'node-1', uid: 0, state: 'watching', folders: ['/mnt/tier/jobs'], workers: 8, runs: 1, heard: new Date(Date.now() - 4000).toISOString(), gone: false },
  { host: 'scope-2', uid: 1000, state: 'stopped', folders: ['/home/ada/jobs'], workers: 2, runs: 0, heard: '2026-11-29T18:00:00Z', gone: true },
]);
