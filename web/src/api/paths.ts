// Namespace paths ("/brain42/scan.ome.zarr"). Names that are not UTF-8 have the bytes as U+EF80..U+EFFF:
// they travel unchanged, and people see them as \xNN. So are characters that would turn the text around
// them around, or that nobody would see, as \uNNNN.

// Control characters but ends of lines, marks of writing direction, invisible ones. Not those that join
// letters, which names in some scripts need.
const kTricks = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, '0');

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
  return text
    .replace(/[\uef80-\uefff]/g, (c) => '\\x' + hex(c.charCodeAt(0) - 0xef00, 2))
    .replace(kTricks, (c) => '\\u' + hex(c.charCodeAt(0), 4));
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
