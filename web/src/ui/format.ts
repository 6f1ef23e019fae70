// Numbers as people read them. Sizes are binary, as in the sentences of tierd ("30.0 MiB").

const kUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  let unit = 0;
  let value = Math.max(0, n);
  // 1023.96 would be printed as "1024.0 KiB".
  while (value >= 1023.95 && unit < kUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${Math.round(value)} B` : `${value.toFixed(value < 99.95 ? 1 : 0)} ${kUnits[unit]}`;
}

export const rate = (n: number) => `${bytes(n)}/s`;

export function count(n: number): string {
  return Math.round(n).toLocaleString('en');
}

export function plural(n: number, one: string, many = one + 's'): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function percent(part: number, whole: number): number {
  if (!(whole > 0)) return part > 0 ? 100 : 0;
  const p = (100 * part) / whole;
  // "100 %" and "0 %" are said only when they are true.
  if (p > 99 && part < whole) return Math.min(99, Math.floor(p));
  if (p > 0 && p < 1) return 1;
  return Math.round(Math.min(100, Math.max(0, p)));
}

export function duration(s: number): string {
  if (!Number.isFinite(s) || s < 0) return '–';
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  const minutes = Math.round(s / 60);
  if (s < 3600 && minutes < 60) return s < 600 ? `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s` : `${minutes} min`;
  const hours = Math.max(1, Math.floor(s / 3600));
  if (hours < 48) return `${hours} h ${s < 3600 ? 0 : Math.floor((s % 3600) / 60)} min`;
  return `${Math.round(s / 86400)} days`;
}

// An estimate: no more digits than it deserves. 0 means that nobody knows.
export function eta(s: number): string {
  return s > 0 && Number.isFinite(s) ? `about ${roughly(s)} left` : '';
}

export function roughly(s: number): string {
  if (s < 90) return `${Math.max(1, Math.round(s))} s`;
  return s < 5400 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`;
}

export function ago(time: string, now = Date.now()): string {
  const s = (now - Date.parse(time)) / 1000;
  if (!Number.isFinite(s)) return '–';
  if (s < 5) return 'just now';
  if (s < 60) return `${Math.round(s)} s ago`;
  if (s < 3600) return `${Math.round(s / 60)} min ago`;
  if (s < 86400) return `${Math.round(s / 3600)} h ago`;
  return date(time);
}

export function date(time: string): string {
  const d = new Date(time);
  if (Number.isNaN(d.getTime())) return '–';
  const two = (n: number) => String(n).padStart(2, '0');
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`;
}

// Three significant digits without an exponent where people expect none.
export function number(n: number): string {
  if (!Number.isFinite(n)) return '–';
  if (n !== 0 && (Math.abs(n) < 0.001 || Math.abs(n) >= 1e7)) return n.toExponential(2);
  return Number.isInteger(n) ? String(n) : String(Number(n.toPrecision(Math.abs(n) >= 100 ? 4 : 3)));
}

const kShort: Record<string, string> = {
  micrometer: 'µm', nanometer: 'nm', millimeter: 'mm', centimeter: 'cm', meter: 'm', angstrom: 'Å', picometer: 'pm',
};
export const unitSign = (unit: string) => kShort[unit] ?? unit;
