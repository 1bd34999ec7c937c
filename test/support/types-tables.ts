import assert from 'node:assert/strict';
import { ident, literal } from '@concord/runtime';
import { printed } from './printed.ts';
import type { Region } from './regions.ts';
import { KEY_VALUES } from './type-keys.ts';
import { TYPES_SCHEMA } from './type-schema.ts';
import { TYPE_VALUES } from './type-values.ts';

export const TYPES = Object.keys(TYPE_VALUES);
export const KEY_TYPES = Object.keys(KEY_VALUES);
const ROWS = Math.max(...TYPES.map((type) => TYPE_VALUES[type]?.length ?? 0));
const MEGABYTE = 1_048_576;

const valuesOf = (type: string): readonly string[] => TYPE_VALUES[type] ?? [];
const cast = (text: string | undefined, type: string): string =>
  text === undefined ? 'null' : `${literal(text)}::${type}`;

/** PostgreSQL takes no constant of `regrole` as a default. */
const defaultOf = (type: string): string => (type === 'regrole' ? '' : ` default ${cast(valuesOf(type)[0], type)}`);

/** Types that an array, and a domain, can be made of without being written down: all but arrays. */
const ELEMENTS = TYPES.filter((type) => !type.endsWith('[]'));
const arrayOf = (type: string): string =>
  `array[${valuesOf(type)
    .map((text) => cast(text, type))
    .join(', ')}, null]::${type}[]`;
/** Two dimensions that begin at -1 and 7. */
const matrixOf = (type: string): string => {
  const one = cast(valuesOf(type)[0], type);
  return `array_fill(${one}, array[2, 1], array[-1, 7])`;
};

const columns = (prefix: string, types: readonly string[]): string =>
  types.map((type, index) => `${prefix}${index} ${type}`).join(', ');

/**
 * `every`: a column per type, its first value as the default. `arrays`: of each. `domains`: over each, `domain_arrays` of those;
 * `composed`: all of them as attributes of one composite, alone and in an array.
 */
export const TYPE_TABLES_SCHEMA = `${TYPES_SCHEMA}
create table every (id int primary key, ${TYPES.map((type, index) => `c${index} ${type}${defaultOf(type)}`).join(', ')});
create table arrays (id int primary key, ${columns(
  'c',
  ELEMENTS.map((type) => `${type}[]`),
)});
create schema over;
${ELEMENTS.map((type, index) => `create domain over.d${index} as ${type};`).join('\n')}
create table domains (id int primary key, ${columns(
  'c',
  ELEMENTS.map((_, index) => `over.d${index}`),
)});
create table domain_arrays (id int primary key, ${columns(
  'c',
  ELEMENTS.map((_, index) => `over.d${index}[]`),
)});
create type composite as (${columns('f', ELEMENTS)});
create table composed (id int primary key, one composite, many composite[]);
create table documents (id int primary key, doc json);
create table defaulted (id int primary key, t text default 'default', n int default 5, a int[] default '{1}', j jsonb default '{}');
create table large (id int primary key, t text, b bytea, j jsonb, d text[], length int generated always as (length(t)) stored);
create table computed (double numeric generated always as (n * 2) stored, id int primary key, n numeric, words text[],
  first text generated always as (words[1]) stored, small boolean generated always as (n < 5) stored, doc json);
${KEY_TYPES.map((type, index) => `create table k${index} (key ${type} primary key, v text);`).join('\n')}`;

/** Tables with a column `id`, and what they have beside it. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  every: TYPES.map((_, index) => `c${index}`),
  arrays: ELEMENTS.map((_, index) => `c${index}`),
  domains: ELEMENTS.map((_, index) => `c${index}`),
  domain_arrays: ELEMENTS.map((_, index) => `c${index}`),
  composed: ['one', 'many'],
  documents: ['doc'],
  defaulted: ['t', 'n', 'a', 'j'],
  large: ['t', 'b', 'j', 'd', 'length'],
  computed: ['double', 'n', 'words', 'first', 'small', 'doc'],
};
export const TYPE_TABLES = Object.keys(COLUMNS).map((table) => `public.${table}`);
export const KEY_TABLES = KEY_TYPES.map((_, index) => `public.k${index}`);

const rows = (count: number, row: (id: number) => readonly string[]): string =>
  Array.from({ length: count }, (_, id) => `(${[id, ...row(id)].join(', ')})`).join(',\n');

/** Row by row: the n-th value of each type, NULL where it has no more; the last row is NULL only, the one after it all defaults. */
const EVERY = rows(ROWS + 1, (id) => TYPES.map((type) => cast(valuesOf(type)[id], type)));

export const FILL_TYPE_TABLES = `set xmloption = content;
insert into public.every values ${EVERY}, (${ROWS + 1}${', default'.repeat(TYPES.length)});
insert into public.arrays values (1, ${ELEMENTS.map(arrayOf).join(', ')}), (2, ${ELEMENTS.map(matrixOf).join(', ')}),
  (3, ${ELEMENTS.map(() => `'{}'`).join(', ')});
insert into public.domains values ${rows(ROWS + 1, (id) => ELEMENTS.map((type) => cast(valuesOf(type)[id], type)))};
insert into public.domain_arrays values (1, ${ELEMENTS.map(arrayOf).join(', ')});
insert into public.composed select id, row(${ELEMENTS.map((_, index) => `d.c${index}`).join(', ')})::composite from public.domains d;
update public.composed c set many = (select array_agg(one) from public.composed) || null::composite where id < 2;
insert into public.documents values (1, '{"nul": "\\u0000", "n": 1e999999, "lone": "\\ud800"}');
insert into public.defaulted values (1, null, null, null, null), (2, default, default, default, default);
insert into public.large values
  (1, repeat('é\\"', ${MEGABYTE / 4}), decode(repeat('00ff5c22', ${MEGABYTE / 8}), 'hex'), to_jsonb(repeat('x"\\', ${MEGABYTE / 16})), array[repeat('{,}', ${MEGABYTE / 16}), null]),
  (2, repeat('x', ${1.25 * MEGABYTE}), null, null, null), (3, null, decode(repeat('00ff5c22', ${(1.25 * MEGABYTE) / 4}), 'hex'), null, null),
  (4, null, null, jsonb_build_object('k', array_fill(1.50, array[${MEGABYTE / 4}])), null), (5, null, null, null, array_fill('a b'::text, array[${MEGABYTE / 4}])),
  (6, repeat('x', ${1.5 * MEGABYTE}), decode(repeat('0f', ${0.75 * MEGABYTE}), 'hex'), null, null);
update public.large set d = array[repeat('{,}', 10)] where d is null;
insert into public.computed (id, n, words, doc) values (1, 1.50, '{a,b}', '{"a":  1}'), (2, 'NaN', null, null), (3, null, '[0:1]={x,y}', null);
update public.computed set doc = '{"a":  2}' where id = 1; update public.computed set n = n + 0.5;`;

/** Values that the tables hold, and the types of their columns. */
export const typesCounted = (): { readonly values: number; readonly types: number } => {
  const count = (types: readonly string[]): number => types.reduce((sum, type) => sum + valuesOf(type).length, 0);
  const [all, elements] = [count(TYPES), count(ELEMENTS)];
  return { values: all + elements * 3, types: TYPES.length + ELEMENTS.length * 3 };
};

/** Settings that change what PostgreSQL prints. Roles of Concord pin theirs, so a database's own must not matter. */
const ODD_SETTINGS = {
  datestyle: 'German',
  timezone: 'Asia/Tokyo',
  intervalstyle: 'iso_8601',
  bytea_output: 'escape',
  extra_float_digits: '0',
  xmloption: 'document',
};

export async function setOddly({ sql, database }: Region): Promise<void> {
  for (const [name, value] of Object.entries(ODD_SETTINGS))
    await sql.unsafe(`alter database ${ident(database.name)} set ${name} = ${literal(value)}`);
}

/** What PostgreSQL prints for every value, under this session's settings. */
export async function readPrinted(
  { sql }: Region,
  table: string,
  names: readonly string[],
  order = 'id',
): Promise<Record<string, unknown>[]> {
  const found = await sql.unsafe(`select ${names.map(printed).join(', ')} from ${table} order by ${order}`);
  return found.map((row) => ({ ...row }));
}

const typeOf = (table: string, index: number): string => {
  if (table === 'every') return TYPES[index] ?? '';
  const element = ELEMENTS[index] ?? '';
  return (
    { arrays: `${element}[]`, domains: `a domain over ${element}` }[table] ?? `an array of a domain over ${element}`
  );
};

/** The tables of the source stand in the other region as they are there. A value that does not names its type. */
export async function assertArrived(source: Region, at: Region): Promise<void> {
  for (const [table, names] of Object.entries(COLUMNS)) {
    const [sent, arrived] = [
      await readPrinted(source, table, ['id', ...names]),
      await readPrinted(at, table, ['id', ...names]),
    ];
    assert.ok(sent.length > 0, `${table} is empty`);
    assert.equal(arrived.length, sent.length, table);
    for (const [row, values] of sent.entries())
      for (const [index, name] of names.entries())
        assert.equal(arrived[row]?.[name], values[name], `${table} ${values.id}, ${name}: ${typeOf(table, index)}`);
  }
}
