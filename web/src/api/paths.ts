// Namespace paths ("/brain42/scan.ome.zarr"). Names that are not UTF-8 have the bytes as U+EF80..U+EFFF:
// they travel unchanged, and people see them as \xNN.

export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

export function joinPath(folder: string, name: string): string {
  return folder === '/' ? '/' + name : `${folder}/${name}`;
}

export function parentOf(path: string): string {
  const cut = path.lastIndexOf('/');
  return cut <= 0 ? '/' : path.slice(0, cut);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function shown(text: string): string {
  return text.replace(/[\uef80-\uefff]/g, (c) => '\\x' + (c.charCodeAt(0) - 0xef00).toString(16).padStart(2, '0'));
}

export interface Crumb {
  name: string;
  path: string;
}

export function crumbs(path: string): Crumb[] {
  const out: Crumb[] = [{ name: 'All data', path: '/' }];
  let at = '';
  for (const part of path.split('/').filter(Boolean)) {
    at += '/' + part;
    out.push({ name: shown(part), path: at });
  }
  return out;
}
