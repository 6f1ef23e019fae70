// What is in the fields of a form, and the values that it means.
import { number } from '../ui/format';
import { mistakeText, type Mistake, type Param, type Value, type Values } from '../api/workflows';

// Texts as they are typed; a checkbox has "true" or "false", several datasets have a line each.
export type Fields = Record<string, string>;

export const fieldOf = (value: Value | undefined) => (value === undefined ? '' : Array.isArray(value) ? value.join('\n') : String(value));

// A path of the namespace as a workflow writes it: from the mount, and without being taken for a pattern.
export function datasetText(path: string): string {
  return path.replace(/^\/+/, '').replace(/[*?[]/g, (c) => `[${c}]`) || '**';
}

export interface Given {
  dataset?: string; // a path of the namespace
  channel?: number;
  values?: Values; // of a run before
}

const isChannel = (p: Param) => p.type === 'integer' && /^(channel|c)$/.test(p.name);

export function fieldsOf(parameters: Param[], given: Given): Fields {
  const first = parameters.find((p) => p.type === 'dataset')?.name;
  return Object.fromEntries(
    parameters.map((p) => {
      if (p.name === first && given.dataset) return [p.name, datasetText(given.dataset)];
      if (isChannel(p) && given.channel !== undefined) return [p.name, String(given.channel)];
      return [p.name, fieldOf(given.values?.[p.name] ?? p.default)];
    }),
  );
}

// Another workflow keeps what was typed for parameters of the same name and type.
export function carried(from: Param[], fields: Fields, to: Param[], given: Given): Fields {
  const next = fieldsOf(to, given);
  const dataset = from.find((p) => p.type === 'dataset')?.name;
  for (const p of to) {
    const before = from.find((q) => q.name === p.name && q.type === p.type);
    if (before && fields[p.name] !== fieldOf(before.default)) next[p.name] = fields[p.name] ?? '';
  }
  const target = to.find((p) => p.type === 'dataset');
  const source = from.find((p) => p.name === dataset);
  if (target && source && fields[source.name] !== fieldOf(source.default)) next[target.name] = fields[source.name] ?? '';
  return next;
}

export function rangeText({ minimum, maximum, unit }: Param): string {
  const sign = unit ? ` ${unit}` : '';
  if (minimum !== undefined && maximum !== undefined) return `${number(minimum)} to ${number(maximum)}${sign}`;
  if (minimum !== undefined) return `at least ${number(minimum)}${sign}`;
  if (maximum !== undefined) return `at most ${number(maximum)}${sign}`;
  return '';
}

// One sentence about what is typed, or "".
export function problemOf(p: Param, text: string): string {
  const typed = text.trim();
  if (!typed) return p.default === undefined ? (p.type === 'dataset' ? 'Choose a dataset.' : 'A value is required.') : '';
  if (p.enum && !p.enum.some((v) => String(v) === typed)) return `Choose one of ${p.enum.join(', ')}.`;
  if (p.type !== 'integer' && p.type !== 'number') return '';
  const n = Number(typed);
  if (!Number.isFinite(n)) return /^-?\d+,\d+$/.test(typed) ? 'Write a decimal point, not a comma.' : `“${typed}” is not a number.`;
  if (p.type === 'integer' && !Number.isInteger(n)) return 'A whole number is needed.';
  if ((p.minimum !== undefined && n < p.minimum) || (p.maximum !== undefined && n > p.maximum)) return `The value must be ${rangeText(p).replace(/^(\S+) to/, 'from $1 to')}.`;
  return '';
}

function valueOf(p: Param, text: string): Value {
  const typed = text.trim();
  const listed = p.enum?.find((v) => String(v) === typed);
  if (listed !== undefined) return listed;
  if (p.type === 'boolean') return typed === 'true';
  if (p.type === 'dataset' && typed.includes('\n')) return typed.split('\n').map((l) => l.trim()).filter(Boolean);
  return p.type === 'integer' || p.type === 'number' ? Number(typed) : typed;
}

// Empty fields are left out: their default is used.
export function valuesOf(parameters: Param[], fields: Fields): Values {
  return Object.fromEntries(parameters.flatMap((p) => (fields[p.name]?.trim() ? [[p.name, valueOf(p, fields[p.name]!)]] : [])));
}

// The first sentence for each parameter: what is typed here, else what the hub says of it.
export function problems(parameters: Param[], fields: Fields, mistakes: Mistake[]): Record<string, string> {
  const out: Record<string, string> = {};
  for (const p of parameters) {
    const text = problemOf(p, fields[p.name] ?? '') || mistakes.filter((m) => m.parameter === p.name).map(mistakeText)[0];
    if (text) out[p.name] = text;
  }
  return out;
}

// "max_diameter" -> "Max diameter"
export function labelOf(p: Param): string {
  const words = p.name.replace(/[_-]+/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// The values as YAML, for people to read.
export function valuesText(values: Values): string {
  return Object.entries(values).map(([k, v]) => `${k}: ${typeof v === 'string' || Array.isArray(v) ? JSON.stringify(v) : v}`).join('\n');
}
