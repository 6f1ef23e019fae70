import { expect, it } from 'vitest';
import type { Param } from '../api/workflows';
import { folderOfText } from './field';
import { formerOf } from './former';
import { roomText } from './plan';
import { carried, datasetText, fieldsOf, labelOf, problemOf, problems, rangeText, valuesOf, valuesText } from './values';

const dataset: Param = { name: 'dataset', type: 'dataset', description: '' };
const channel: Param = { name: 'channel', type: 'integer', default: 0, minimum: 0 };
const diameter: Param = { name: 'diameter', type: 'number', default: 24, minimum: 1, maximum: 500, unit: 'px' };
const method: Param = { name: 'method', type: 'string', default: 'otsu', enum: ['otsu', 'li'] };
const smooth: Param = { name: 'smooth', type: 'boolean', default: true };
const all = [dataset, channel, diameter, method, smooth];

it('a form begins with the defaults, and with what it was opened for', () => {
  expect(fieldsOf(all, {})).toEqual({ dataset: '', channel: '0', diameter: '24', method: 'otsu', smooth: 'true' });
  expect(fieldsOf(all, { dataset: '/a/b.zarr', channel: 2, values: { diameter: 30, smooth: false } })).toMatchObject({ dataset: 'a/b.zarr', channel: '2', diameter: '30', smooth: 'false' });
});

it('a path is written from the mount, and its letters are no pattern', () => {
  expect(['/a/b c.tif', '/x[1]*.tif', '/'].map(datasetText)).toEqual(['a/b c.tif', 'x[[]1][*].tif', '**']);
});

it('what is typed is judged at once', () => {
  expect(['', '24', '2.5', '0', '501', 'x', '2,5'].map((t) => problemOf(diameter, t))).toEqual([
    '', '', '', 'The value must be from 1 to 500 px.', 'The value must be from 1 to 500 px.', '“x” is not a number.', 'Write a decimal point, not a comma.',
  ]);
  expect(problemOf(channel, '1.5')).toBe('A whole number is needed.');
  expect(problemOf(channel, '-1')).toBe('The value must be at least 0.');
  expect(problemOf(dataset, ' ')).toBe('Choose a dataset.');
  expect(problemOf({ ...diameter, default: undefined }, '')).toBe('A value is required.');
  expect(problemOf(method, 'mean')).toBe('Choose one of otsu, li.');
});

it('values have the types of their parameters, and empty fields are left out', () => {
  expect(valuesOf(all, { dataset: ' a/*.tif ', channel: '1', diameter: '', method: 'li', smooth: 'false' })).toEqual({ dataset: 'a/*.tif', channel: 1, method: 'li', smooth: false });
  expect(valuesOf([dataset], { dataset: 'a/*.tif\n\n b.tif ' })).toEqual({ dataset: ['a/*.tif', 'b.tif'] });
  expect(fieldsOf([dataset], { values: { dataset: ['a', 'b'] } })).toEqual({ dataset: 'a\nb' });
  expect(valuesOf([{ name: 'n', type: 'integer', enum: [1, 2] }], { n: '2' })).toEqual({ n: 2 });
});

it('the hub speaks where the page has nothing to say', () => {
  const mistakes = [{ line: 0, column: 0, parameter: 'dataset', message: 'nothing matches', hint: 'did you mean a/*.tif?' }, { line: 0, column: 0, parameter: 'diameter', message: 'too small' }];
  expect(problems(all, { dataset: 'a', diameter: 'x' }, mistakes)).toEqual({ dataset: 'nothing matches: did you mean a/*.tif?', diameter: '“x” is not a number.' });
});

it('another workflow keeps what was typed', () => {
  const other = [{ ...dataset, name: 'images' }, { ...diameter, default: 10 }, { ...channel, default: 1 }];
  expect(carried(all, { ...fieldsOf(all, {}), dataset: 'a/*.tif', diameter: '30' }, other, {})).toEqual({ images: 'a/*.tif', diameter: '30', channel: '1' });
});

it('texts', () => {
  expect([rangeText(diameter), rangeText(channel), rangeText({ ...channel, minimum: undefined, maximum: 3 }), rangeText(method)]).toEqual(['1 to 500 px', 'at least 0', 'at most 3', '']);
  expect(labelOf({ ...diameter, name: 'max_diameter' })).toBe('Max diameter');
  expect(valuesText({ a: 'x: y', b: 2, c: true })).toBe('a: "x: y"\nb: 2\nc: true');
});

it('the plan says what the SSD has room for', () => {
  const plan = { bytes: 100, bytes_to_bring: 60, free_bytes: 80, capacity_bytes: 90 } as Parameters<typeof roomText>[0];
  const starts = [plan, { ...plan, bytes_to_bring: 0 }, { ...plan, free_bytes: 10, bytes: 80 }, { ...plan, free_bytes: 10 }, { ...plan, free_bytes: null }].map((p) => roomText(p).slice(0, 30));
  expect(starts).toEqual(['60 B come from the archive. 80', 'All of the input is on the SSD', '60 B come from the archive, an', 'The input (100 B) is larger th', 'This hub shows a folder withou']);
});

it('the choice of a dataset begins where the field is', () => {
  expect(['a/b/c.tif', 'a/**/c.tif', 'x.tif', '', '*'].map(folderOfText)).toEqual(['/a/b', '/a', '/', '/', '/']);
});

it('a run is repeated with its own text, or with the workflow that its file names', () => {
  const shipped = [{ name: 'nuclei', about: '', text: 'workflow: nuclei\nsteps: []', parameters: [diameter] }];
  const own = formerOf('workflow: nuclei\nvalues: {diameter: 31}', { workflow: 'nuclei', parameters: [diameter], values: { diameter: 31 }, errors: [] }, {}, shipped)!;
  expect([own.workflow.text, own.given.values]).toEqual(['workflow: nuclei\nvalues: {diameter: 31}', { diameter: 31 }]);
  const named = formerOf('{workflow: nuclei, values: {diameter: 32}}', { workflow: 'nuclei', errors: [{ line: 1, column: 1, message: 'no steps' }] }, { diameter: '32' }, shipped)!;
  expect([named.workflow, named.given.values]).toEqual([shipped[0], { diameter: '32' }]);
  const unknown = formerOf('x', { workflow: 'x', errors: [{ line: 1, column: 1, message: 'no steps' }] }, {}, shipped)!;
  expect(unknown.workflow).toMatchObject({ name: 'x', text: 'x', parameters: [] });
});
