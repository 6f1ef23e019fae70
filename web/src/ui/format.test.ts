import { describe, expect, it } from 'vitest';
import { ago, bytes, duration, eta, number, percent, plural, unitSign } from './format';

describe('bytes', () => {
  it('uses binary units with one digit where it says something', () => {
    expect([0, 1, 1023, 1024, 1536, 1023.96 * 1024, 30 * 2 ** 20, 300 * 2 ** 20, 4e12].map(bytes)).toEqual([
      '0 B', '1 B', '1023 B', '1.0 KiB', '1.5 KiB', '1.0 MiB', '30.0 MiB', '300 MiB', '3.6 TiB',
    ]);
  });
  it('says nothing about what is not known', () => expect([null, undefined, NaN].map(bytes)).toEqual(['–', '–', '–']));
});

describe('eta', () => {
  it('is empty while nobody knows', () => expect([0, -1, NaN, Infinity].map(eta)).toEqual(['', '', '', '']));
  it('has no more digits than it deserves', () =>
    expect([0.2, 12.4, 89, 100, 3600, 7200].map(eta)).toEqual(['about 1 s left', 'about 12 s left', 'about 89 s left', 'about 2 min left', 'about 60 min left', 'about 2 h left']));
});

describe('percent', () => {
  it('says 0 and 100 only when they are true', () =>
    expect([percent(0, 10), percent(1, 1e6), percent(999_999, 1e6), percent(10, 10), percent(5, 0), percent(0, 0)]).toEqual([0, 1, 99, 100, 100, 0]));
});

it('durations read as people say them', () =>
  expect([0.25, 3.21, 59, 61, 599, 3599, 3600, 86400 * 3].map(duration)).toEqual(['250 ms', '3.2 s', '59 s', '1 min 1 s', '9 min 59 s', '1 h 0 min', '1 h 0 min', '3 days']));

it('the past is told in one unit', () => {
  const now = Date.parse('2026-01-02T03:04:05Z');
  expect([now - 1000, now - 42_000, now - 600_000, now - 7.2e6].map((t) => ago(new Date(t).toISOString(), now))).toEqual(['just now', '42 s ago', '10 min ago', '2 h ago']);
  expect(ago('', now)).toBe('–');
});

it('numbers, plurals and units', () => {
  expect([0, 0.325, 1.5, 1234.56, 12, 1e-6].map(number)).toEqual(['0', '0.325', '1.5', '1235', '12', '1.00e-6']);
  expect([plural(1, 'file'), plural(12000, 'file')]).toEqual(['1 file', '12,000 files']);
  expect([unitSign('micrometer'), unitSign('parsec')]).toEqual(['µm', 'parsec']);
});
