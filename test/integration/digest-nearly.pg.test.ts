import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Ask, asking, readingOf, wholeOf } from '../support/asked.ts';
import { useCluster } from '../support/cluster.ts';
import { createRegion, type Region } from '../support/regions.ts';

/** Two values of one column: what they have to be in `full`. Types are made in another order there, so that their OIDs differ. */
const PAIRS: readonly [type: string, one: string | null, other: string | null, full: 'same' | 'differs'][] = [
  ['text', null, '', 'differs'],
  ['text', 'a', 'a', 'same'],
  ['text', 'é', 'e\u0301', 'differs'],
  ['text collate "C"', 'a', 'A', 'differs'],
  ['text collate without_case', 'a', 'A', 'differs'],
  ['varchar(3)', 'a', 'a ', 'differs'],
  ['char(5)', 'ab', 'ab   ', 'same'],
  ['bpchar', 'ab', 'ab ', 'differs'],
  ['citext', 'a', 'A', 'differs'],
  ['numeric', '1.5', '1.50', 'differs'],
  ['numeric', '1.5', '01.5', 'same'],
  ['numeric', 'NaN', 'nan', 'same'],
  ['float8', '-0', '0', 'differs'],
  ['float8', 'NaN', 'nan', 'same'],
  ['float4', '-0', '0', 'differs'],
  ['json', '{"a":1}', '{"a": 1}', 'differs'],
  ['jsonb', '{"a":1}', '{"a": 1}', 'same'],
  ['jsonb', '{"a":1.5}', '{"a":1.50}', 'differs'],
  ['mood', 'sad', 'sad', 'same'],
  ['mood', 'sad', 'happy', 'differs'],
  ['mood[]', '{sad}', '{sad}', 'same'],
  ['comp', '(sad,1.5)', '(sad,1.5)', 'same'],
  ['comp', '(sad,1.5)', '(sad,1.50)', 'differs'],
  ['int[]', '{1,2}', '[0:1]={1,2}', 'differs'],
  ['int[]', '{1,NULL}', '{1,2}', 'differs'],
  ['date', 'infinity', 'infinity', 'same'],
  ['date', 'infinity', '-infinity', 'differs'],
  ['timestamptz', '2026-01-01 00:00+00', '2026-01-01 01:00+01', 'same'],
  ['timestamptz', 'infinity', '-infinity', 'differs'],
  ['timestamp', '2026-01-01 00:00:00', '2026-01-01 00:00:00.000001', 'differs'],
  ['timetz', '12:00+00', '13:00+01', 'differs'],
  ['interval', '1 day', '24:00', 'differs'],
  ['bytea', '\\x00ff', '\\000\\377', 'same'],
  ['inet', '10.0.0.1', '10.0.0.1/32', 'same'],
  ['inet', '10.0.0.1/8', '10.0.0.1/9', 'differs'],
  ['bool', 't', 'true', 'same'],
  ['bit varying', '1', '01', 'differs'],
  ['money', '1', '1.01', 'differs'],
  ['numrange', '[1.5,2)', '[1.50,2)', 'differs'],
  ['positive', '1', '2', 'differs'],
];
const MOOD = ['create type padding as enum ()', `create type mood as enum ('sad', 'happy')`];
const PAIRS_SCHEMA = (types: readonly string[]): string => `create extension citext; ${types.join('; ')};
create collation without_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create type comp as (m mood, n numeric); create domain positive as int check (value > 0);
${PAIRS.map(([type], index) => `create table p${index} (id int primary key, v ${type})`).join('; ')};
create table enums (id mood primary key); create table many (id numeric[] primary key); create table padded (id char(4) primary key); create table folded (id citext primary key);`;
const KEYED: Readonly<Record<string, readonly [string, string]>> = {
  enums: ['sad', 'sad'],
  many: ['{1.5}', '{1.50}'],
  padded: ['ab', 'ab  '],
  folded: ['aB', 'Ab'],
};

describe('digests of values that are nearly equal', () => {
  const cluster = useCluster('18');
  const [asks, all]: [Ask[], Region[]] = [[], []];
  const tables = [
    ...PAIRS.map((_, index) => `public.p${index}`),
    ...Object.keys(KEYED).map((name) => `public.${name}`),
  ];
  before(async () => {
    for (const [side, types] of [MOOD, MOOD.toReversed()].entries()) {
      const region = await createRegion(await cluster(), {
        names: ['eu-1', 'us-1'],
        schema: PAIRS_SCHEMA(types),
        tables,
      });
      const quoted = (text: string | null | undefined): string =>
        text === null || text === undefined ? 'null' : `'${text.replaceAll("'", "''")}'`;
      const fill = [
        ...PAIRS.map((pair, index) => `insert into p${index} values (1, ${quoted(pair[1 + side])})`),
        ...Object.entries(KEYED).map(([name, values]) => `insert into ${name} values (${quoted(values[side])})`),
      ];
      await region.sql
        .unsafe(`set session_replication_role = replica; ${fill.join('; ')}; reset session_replication_role`)
        .simple();
      all.push(region);
      asks.push(asking(region));
    }
  });
  const alike = async (table: string, more: Parameters<typeof readingOf>[2]): Promise<boolean> => {
    const reading = await readingOf(asks[0]!, table, more);
    const [one, other] = await Promise.all(asks.map((ask) => wholeOf(ask, reading)));
    return JSON.stringify(one) === JSON.stringify(other);
  };

  test('equal exactly where they print the same text', async () => {
    const oids = await Promise.all(all.map(({ sql }) => sql`select 'mood'::regtype::oid::text as oid`));
    assert.notEqual(oids[0]?.[0]?.oid, oids[1]?.[0]?.oid);
    for (const [index, [type, one, other, full]] of PAIRS.entries())
      for (const hashing of ['record', 'text'] as const) {
        const what = `${type}: ${one}, ${other} by ${hashing}`;
        assert.equal(await alike(`public.p${index}`, { hashing }), full === 'same', what);
        assert.equal(await alike(`public.p${index}`, { hashing, mode: 'stamps' }), true, what);
      }
  });

  test('keys by their types’ equality', async () => {
    for (const name of Object.keys(KEYED)) assert.equal(await alike(`public.${name}`, { mode: 'stamps' }), true, name);
  });
});
