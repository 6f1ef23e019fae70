// Workflows of the mock: a form of each kind of parameter, checks like the agent's, plans, and runs that go on by the
// clock and leave results behind.
import { labelledObjects } from './images.mjs';

const kMiB = 2 ** 20;
const dataset = { name: 'dataset', type: 'dataset', description: 'The images: a path, or a pattern such as plate7/**/*.tif.' };
const channel = { name: 'channel', type: 'integer', default: 0, minimum: 0, description: 'The channel with the stain of the nuclei, from 0.' };
const diameter = { name: 'diameter', type: 'number', default: 24, minimum: 2, maximum: 500, unit: 'px', description: 'The diameter of a typical nucleus.' };
const method = { name: 'method', type: 'string', default: 'otsu', enum: ['otsu', 'local'], description: 'How the threshold is found.' };
const split = { name: 'split', type: 'boolean', default: true, description: 'Separate nuclei that touch each other.' };

const yaml = (name, about, parameters, steps) => `workflow: ${name}            # ${about}
parameters:
${parameters.map((p) => `  ${p.name}: {type: ${p.type}${p.default === undefined ? '' : `, default: ${p.default}`}}`).join('\n')}
input:
  dataset: "{dataset}"
  select: {c: "{channel}"}
scatter: {by: file}
steps:
${steps.map((s) => `  - id: ${s.id}\n    run: [${s.program.replaceAll(' ', ', ')}, --in, "{input}"]\n    retry: 1`).join('\n')}
output: results/{user}/{workflow}/{run}
`;

function workflow(name, about, parameters, steps) {
  return { name, about, text: yaml(name, about, parameters, steps), parameters, steps };
}

const kWorkflows = [
  workflow('nuclei-files', 'nuclei of each image of a pattern, and one table of all of them', [dataset, channel, diameter, method, split], [
    { id: 'nuclei', program: 'imgop nuclei', each: true, memory_bytes: 310 * kMiB, memory_from: 'estimate' },
    { id: 'table', program: 'imgop table', memory_bytes: null, memory_from: '', memory_note: 'not known: imgop table has no estimate' },
    { id: 'summary', program: 'imgop table', memory_bytes: 4096 * kMiB, memory_from: 'workflow' },
  ]),
  workflow('nuclei-blocks', 'nuclei of a volume that may be larger than memory', [dataset, channel, diameter], [
    { id: 'histogram', program: 'imgop histogram', each: true, memory_bytes: 90 * kMiB, memory_from: 'estimate' },
    { id: 'segment', program: 'imgop segment', each: true, memory_bytes: 820 * kMiB, memory_from: 'estimate' },
    { id: 'split', program: 'imgop split', each: true, memory_bytes: 240 * kMiB, memory_from: 'guess', memory_note: "a guess before 'segment' has run" },
    { id: 'merge', program: 'imgop merge-labels', memory_bytes: null, memory_from: '', memory_note: 'about 1 GiB at most, besides what it keeps of objects' },
  ]),
  workflow('spots-per-cell', 'how many spots each cell has: nuclei in one channel, spots (FISH, foci) in another', [dataset, { ...diameter, name: 'nucleus_diameter' }, { name: 'spot_threshold', type: 'integer', minimum: 1, maximum: 65535, description: 'Grey values above the background; the same for all images, so that counts compare.' }, { name: 'label', type: 'string', default: '', description: 'A word for the report.' }], [
    { id: 'spots', program: 'imgop segment', each: true, memory_bytes: 200 * kMiB, memory_from: 'estimate' },
  ]),
  workflow('convert-pyramid', 'one OME-Zarr with smaller levels of each image', [dataset], [{ id: 'convert', program: 'imgop convert', each: true, memory_bytes: null, memory_from: '', memory_note: 'about 1 GiB at most, besides what it keeps of objects' }]),
];
// One that its author has damaged.
const broken = { name: 'broken', about: 'a workflow with an error in its text', parameters: [dataset], steps: [], text: 'workflow: broken\ninput:\n  dataset: "{dataset}"\nsteps:\n  - id: one\n    rum: [imgop, nuclei]\n' };

export function workflows(options) {
  const list = options.broken ? [...kWorkflows, broken] : kWorkflows;
  return {
    workflows: options.noWorkflows ? [] : list.map(({ steps, ...w }) => w),
    folder: '/mnt/tier/jobs',
    problem: options.noAgent ? 'no agent runs: start tieragent, or ask the administrator' : '',
  };
}

const find = (text) => [...kWorkflows, broken].find((w) => w.text === text) ?? kWorkflows.find((w) => text.startsWith(`workflow: ${w.name}`));

export function check({ text, values }) {
  const w = find(text);
  if (!w) return { workflow: '', parameters: [], steps: [], errors: [{ line: 1, column: 1, message: 'this is no workflow: it lacks "workflow"' }] };
  const errors = [];
  const about = (parameter, message) => errors.push({ line: 0, column: 0, parameter, message, hint: '' });
  if (w === broken) errors.push({ line: 6, column: 5, message: "a step has no key 'rum'", hint: "did you mean 'run'?", parameter: '' });
  for (const name of Object.keys(values)) if (!w.parameters.some((p) => p.name === name)) about(name, `the workflow has no parameter "${name}"`);
  for (const p of w.parameters) {
    const v = values[p.name] ?? p.default;
    if (v === undefined) about(p.name, 'a value is required');
    if (typeof v === 'number' && ((p.minimum ?? v) > v || (p.maximum ?? v) < v)) about(p.name, 'the value is out of its range');
    if (p.name === 'spot_threshold' && v === 13) about(p.name, '13 is below the noise of the camera');
  }
  const given = Object.fromEntries(w.parameters.map((p) => [p.name, values[p.name] ?? p.default]));
  return { workflow: w.name, parameters: w.parameters, values: given, steps: errors.length ? [] : w.steps.map((s, i) => ({ id: s.id, program: s.program, after: [], gather: i ? [w.steps[0].id] : [], cpus: 1, retry: 1 })), errors };
}

function matching(world, text) {
  const path = '/' + text.replace(/\[(.)\]/g, '$1');
  const escaped = path.replace(/[.+^${}()|\\<>?[\]]/g, '\\$&').replaceAll('**', '\u0001').replaceAll('*', '[^/]*').replaceAll('\u0001', '.*');
  const pattern = new RegExp(`^${escaped}$`);
  return world.leaves().filter((l) => pattern.test(l.path) || l.path.startsWith(path + '/'));
}

export function plan(world, body) {
  const checked = check(body);
  const none = { workflow: checked.workflow, items: 0, tasks: 0, steps: [], bytes: 0, resident_bytes: 0, bytes_to_bring: 0, capacity_bytes: 0, free_bytes: 0, output: '', left_out: [], warnings: [] };
  if (checked.errors.length) return { ...none, errors: checked.errors };
  const w = find(body.text);
  const items = [body.values.dataset ?? ''].flat().flatMap((text) => matching(world, text));
  if (!items.length) return { ...none, errors: [{ line: 0, column: 0, parameter: 'dataset', message: `nothing in TierHub matches "${body.values.dataset}"` }] };
  const n = w.name === 'nuclei-blocks' ? 16 : items.length;
  const steps = w.steps.map((s) => ({ id: s.id, tasks: s.each ? n : 1, cpus: 1, memory_bytes: s.memory_bytes, memory_from: s.memory_from, memory_note: s.memory_note ?? '', program: s.program }));
  const bytes = items.reduce((sum, l) => sum + l.size, 0);
  const resident = items.reduce((sum, l) => sum + l.resident, 0);
  const used = world.leaves().reduce((sum, l) => sum + l.resident, 0);
  return {
    workflow: w.name, errors: [], items: n, tasks: steps.reduce((sum, s) => sum + s.tasks, 0), steps, bytes, resident_bytes: resident, bytes_to_bring: bytes - resident,
    capacity_bytes: world.capacity, free_bytes: Math.max(0, world.capacity - used), output: `/results/ada/${w.name}/{run}`,
    left_out: items.length > 20 ? ['/big/frame_link.tif: a link whose target does not exist'] : [],
    warnings: body.values.diameter > 200 ? ['with this diameter a task reads far beyond its image: blocks would be slower than whole images'] : [],
  };
}

let last = 0;

export function run(world, body) {
  const checked = check(body);
  if (checked.errors.length) return checked;
  const job = `${body.name || checked.workflow}-k${(++last).toString(36).padStart(3, '0')}`;
  world.jobs.push({ job, body, workflow: checked.workflow, at: Date.now(), steps: plan(world, body).steps, bytes: plan(world, body).bytes, cancelled: 0 });
  return { job };
}

// A run of a minute ago that is over.
export function ranBefore(world) {
  const text = kWorkflows[0].text;
  const { job } = run(world, { text, values: { dataset: 'brain42/*.zarr' } });
  Object.assign(world.jobs.find((j) => j.job === job), { at: Date.now() - 60_000 });
}

const kTaskMs = 700;

// The run of a job as status.json has it, or null while the agent has not taken it.
function statusOf(world, j, options) {
  const agentMs = options.agentMs ?? 800;
  const begun = j.at + agentMs;
  const now = j.cancelled || Date.now();
  if (options.noAgent || Date.now() < begun) return null;
  const all = j.steps.flatMap((s) => Array.from({ length: s.tasks }, (_, i) => ({ step: s.id, task: i })));
  const workers = 4;
  const tasks = [];
  let clock = begun + 300;
  const free = Array(workers).fill(clock);
  let step = '';
  for (const t of all) {
    if (t.step !== step) free.fill(Math.max(...free)); // the steps of the mock follow each other
    step = t.step;
    const slot = free.indexOf(Math.min(...free));
    const from = free[slot];
    const to = from + kTaskMs + 90 * (tasks.length % 5);
    free[slot] = to;
    clock = Math.max(clock, to);
    if (from <= now) tasks.push({ ...t, state: to <= now ? 'done' : j.cancelled ? 'cancelled' : 'running', attempts: 1, slot, start: new Date(from).toISOString(), end: to <= now ? new Date(to).toISOString() : null, exit_code: to <= now ? 0 : null });
  }
  const done = tasks.filter((t) => t.state === 'done').length;
  const over = done === all.length;
  const serial = tasks.reduce((n, t) => n + Math.max(0, (t.end ? Date.parse(t.end) : now) - Date.parse(t.start)) / 1000, 0);
  const wall = ((over ? clock : now) - begun) / 1000;
  const state = j.cancelled ? 'cancelled' : over ? 'done' : 'running';
  const name = `${j.job}-${new Date(begun).toISOString().replace(/[-:]|\.\d+/g, '')}-mock`;
  return {
    run: name, workflow: j.workflow, user: 'ada', state, progress: done / all.length, tasks_total: all.length, tasks_done: done, tasks_failed: 0,
    tasks_running: state === 'running' ? tasks.length - done : 0, bytes_staged: Math.min(j.bytes, (wall / 4) * j.bytes), bytes_copied: 0.4 * Math.min(j.bytes, (wall / 4) * j.bytes),
    eta_s: state === 'running' ? (clock - now) / 1000 : 0, started: new Date(begun).toISOString(), updated: new Date(now).toISOString(), ended: state === 'running' ? null : new Date(over ? clock : now).toISOString(),
    workers, wall_s: wall, serial_equivalent_s: serial, speed_up: null, speed_up_against: '', busy_processors: wall > 0 ? serial / wall : 0, limited_by: '', output: `/mnt/tier/results/ada/${j.workflow}/${name}`, work: '', left_out: [], not_obeyed: [], parameters: Object.fromEntries(Object.entries(j.body.values).map(([k, v]) => [k, Array.isArray(v) ? v : String(v)])), waits_for: '', error: '', tasks,
  };
}

export const jobRuns = (world, options) => world.jobs.map((j) => statusOf(world, j, options)).filter(Boolean);

export function cancel(world, name) {
  const j = world.jobs.find((one) => name.startsWith(one.job + '-'));
  if (j && !j.cancelled) j.cancelled = Date.now();
}

export const jobText = (world, name) => world.jobs.find((one) => name.startsWith(one.job + '-'))?.body.text ?? null;

const name = (t) => (typeof t.task === 'number' ? String(t.task).padStart(4, '0') : t.task);

export function log(status) {
  return status.tasks.flatMap((t) => [
    `${t.start} ${t.step}.${name(t)} | reading ${name(t)}`,
    ...(t.state === 'failed' ? [`${t.end} ${t.step}.${name(t)} | imgop: ${t.reason}`] : t.end ? [`${t.end} ${t.step}.${name(t)} | report: ${name(t)}: 273 objects`] : []),
  ]).join('\n') + '\n';
}

export function report(status) {
  if (!status.ended) return '';
  const head = status.state === 'done' ? `The run is done. Results: ${status.output}` : status.state === 'failed' ? `The run failed: ${status.error}` : 'The run was cancelled.';
  return `${head}\n\nWhat was measured:\n  nuclei.csv: 441 objects in scan.ome.zarr, level 0, t 0, c 0; threshold 117 (Otsu)\n`;
}

// Files that a finished run has: tables of the objects that the label image shows.
export function results(world, status, options = {}) {
  const output = status.output.replace('/mnt/tier', '');
  if (status.state !== 'done') return { output: '', files: [], left_out: 0 };
  const file = (name, kind, text, of = '') => {
    const path = `${output}/${name}`;
    if (text !== null) world.texts.set(path, text);
    return { path, kind, size: text === null ? 48 * kMiB : text.length, of };
  };
  const scan = world.images.find((i) => i.path === '/brain42/scan.ome.zarr');
  const labels = file('labels/scan.ome.zarr', 'labels', null, scan.path);
  if (!world.image(labels.path)) world.images.push({ ...scan, path: labels.path, name: 'scan.ome.zarr', type: 'uint32', labels: [], isLabel: true, channels: [], shape: { ...scan.shape, c: 1 }, levels: scan.levels.map((l) => ({ ...l, shape: { ...l.shape, c: 1 } })) });
  // Labels of single time points: a block at t 2 and 3, all of it at half the resolution at t 4.
  const timelapse = world.images.find((i) => i.path === '/brain42/timelapse.ome.tif');
  // With `blocks`: two blocks side by side at t 5, each of which numbers its objects by itself.
  const places = [...(options.parts ? [{ t: 2, level: 0, x: 256, y: 128 }, { t: 3, level: 0, x: 256, y: 128 }, { t: 4, level: 1, x: 0, y: 0 }] : []), ...(options.blocks ? [{ t: 5, level: 0, x: 0, y: 0 }, { t: 5, level: 0, x: 512, y: 0, add: 5_000_000 }] : [])];
  const parts = places.map((part, i) => {
    const one = { ...file(part.t === 5 ? `blocks/b_000${i}.ome.zarr` : `times/t_000${part.t}.ome.zarr`, 'labels', null, timelapse.path), box: `level=${part.level},t=${part.t},c=0,z=0:1,y=${part.y}:${part.y + 512},x=${part.x}:${part.x + 512}` };
    const shape = { t: 1, c: 1, z: 1, y: 512, x: 512 };
    if (!world.image(one.path)) world.images.push({ ...timelapse, path: one.path, name: one.path.split('/').pop(), version: `p${part.t}-${i}`, type: 'uint32', labels: [], isLabel: true, channels: [], shape, levels: [{ shape, stored: true }], part });
    return one;
  });
  const objects = labelledObjects(scan);
  const rows = objects.map((o) => `scan.ome.zarr,0,0,${o.id},${o.volume},${(o.volume * 0.158).toFixed(3)},${o.z.toFixed(3)},${o.y.toFixed(3)},${o.x.toFixed(3)},${Math.round(o.bright * o.volume)},${o.bright.toFixed(2)}`);
  return {
    output,
    files: [
      file('images.csv', 'table', `file,count,volume_vx_mean,intensity_mean_mean\nscan.ome.zarr,${objects.length},18345.2,1402.55\n"overview, left.ome.zarr",212,17560,1388.1\n`),
      labels,
      ...parts,
      file('nuclei.csv', 'table', `file,t,c,label,volume_vx,volume_um3,centroid_z_px,centroid_y_px,centroid_x_px,intensity_sum,intensity_mean\n${rows.join('\n')}\n`),
      file('nuclei.png', 'picture', 'PNG'),
      file('tables/cold.csv', 'table', 'label,area_px\n1,20\n'),
      file('settings.txt', 'text', 'threshold: 117\nmethod: otsu\n'),
      file('sums.bin', 'other', 'xx'),
    ],
    left_out: 0,
  };
}
