// Which table describes the objects of which labels.
import type { ResultFile } from '../api/runs';
import { nameOf } from '../api/paths';

const stem = (path: string) => nameOf(path).replace(/(\.ome)?\.[^.]+$/, '').toLowerCase();
const depth = (path: string) => path.split('/').length;

// The table of the same name; else the largest of those that are nearest to the top, which has the objects of all images.
export function tableOf(labels: ResultFile, files: ResultFile[]): string {
  const tables = files.filter((f) => f.kind === 'table');
  const ordered = [...tables].sort((a, b) => depth(a.path) - depth(b.path) || b.size - a.size);
  return (ordered.find((t) => stem(t.path) === stem(labels.path)) ?? ordered[0])?.path ?? '';
}

// What one wants to see first.
export function firstTable(files: ResultFile[]): string {
  return [...files].filter((f) => f.kind === 'table').sort((a, b) => depth(a.path) - depth(b.path) || b.size - a.size)[0]?.path ?? '';
}

export function below(output: string, path: string): string {
  return path.startsWith(`${output}/`) ? path.slice(output.length + 1) : path;
}
