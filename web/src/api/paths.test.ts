import { expect, it } from 'vitest';
import { query } from './client';
import { crumbs, encodePath, nameOf, parentOf, shown } from './paths';

it('each component is encoded by itself', () => expect(encodePath('/a b/50 %?/ü#')).toBe('/a%20b/50%20%25%3F/%C3%BC%23'));
it('parents and names', () => {
  expect([parentOf('/a/b'), parentOf('/a'), parentOf('/')]).toEqual(['/a', '/', '/']);
  expect([nameOf('/a/b'), nameOf('/')]).toEqual(['b', '']);
});
it('bytes that are not UTF-8 are visible', () => expect(shown('x\uefff\uef80y')).toBe('x\\xff\\x80y'));
it('characters that turn text around or hide are visible', () => {
  expect(shown('photo\u202egnp.exe')).toBe('photo\\u202egnp.exe');
  expect(shown('a\u200b\u2066b\nc\u001b[2J')).toBe('a\\u200b\\u2066b\nc\\u001b[2J');
  expect(shown('نمونه\u200cها größe 日本 🔬')).toBe('نمونه\u200cها größe 日本 🔬');
});
it('crumbs lead to every folder on the way', () => expect(crumbs('/a/b').map((c) => c.path)).toEqual(['/', '/a', '/a/b']));
it('spaces and plus signs of a query are percent-encoded', () => expect(query({ path: '/a b+c&d', z: 3 })).toBe('path=%2Fa%20b%2Bc%26d&z=3'));
