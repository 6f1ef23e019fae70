// The picture as a PNG, with its scale bar drawn in.
import type { Dataset } from '../api/types';
import { barFor } from './scale';

// What draws: planes, or a volume.
export interface Picture {
  canvas(): HTMLCanvasElement; // as it is now
}

// Without z it is a volume. Planes and time points count from 1, as on the page.
export function snapshotName(d: Dataset, t: number, z: number | null): string {
  const base = d.name.replace(/[^\p{L}\p{N}._-]+/gu, '_').slice(0, 80) || 'image';
  return `${base}_time${t + 1}_${z === null ? '3d' : `plane${z + 1}`}.png`;
}

// Without a zoom it has no scale bar: in perspective there is none that is true.
export async function snapshot(source: HTMLCanvasElement, d: Dataset, zoom: number | null, dark = true): Promise<Blob> {
  const out = document.createElement('canvas');
  out.width = source.width;
  out.height = source.height;
  const c = out.getContext('2d')!;
  c.fillStyle = dark ? '#000' : '#fff';
  c.fillRect(0, 0, out.width, out.height);
  c.drawImage(source, 0, 0);
  if (zoom !== null) drawBar(c, source, d, zoom);
  return new Promise((resolve, reject) => out.toBlob((b) => (b ? resolve(b) : reject(new Error('the browser made no PNG of the picture'))), 'image/png'));
}

function drawBar(c: CanvasRenderingContext2D, source: HTMLCanvasElement, d: Dataset, zoom: number): void {
  const ratio = source.width / Math.max(1, source.clientWidth);
  const bar = barFor(d, zoom);
  const width = bar.pixels * ratio;
  const [x, y] = [source.width - width - 20 * ratio, source.height - 20 * ratio];
  c.fillStyle = 'rgba(0, 0, 0, 0.55)';
  c.fillRect(x - 10 * ratio, y - 26 * ratio, width + 20 * ratio, 38 * ratio);
  c.fillStyle = '#fff';
  c.fillRect(x, y, width, 4 * ratio);
  c.font = `${13 * ratio}px system-ui, sans-serif`;
  c.textAlign = 'center';
  c.fillText(bar.text, x + width / 2, y - 7 * ratio);
}

export function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
