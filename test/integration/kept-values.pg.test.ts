import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, describe, test } from 'node:test';
import type { Stamp } from '@concord/conflict';
import { useCluster } from '../support/cluster.ts';
import { foreignRow } from '../support/foreign.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { HOUR_AGO } from '../support/versions.ts';

/** Characters that PostgreSQL can hardly compress. */
const noise = (length: number): string =>
  Array.from({ length: Math.ceil(length / 128) }, (_, part) => createHash('sha512').update(`${part}`).digest('hex'))
    .join('')
    .slice(0, length);

const LENGTH = 8000;
const NOISE = noise(LENGTH);
/** It compresses well, and is out of line all the same. */
const REPEATED = `${'concord '.repeat(40_000)}${NOISE.slice(0, 1000)}`;
const numbers = (first: string): string =>
  `{${first},${Array.from({ length: 900 }, (_, n) => 2 + Math.sin(n)).join(',')}}`;

type Case = {
  readonly name: string;
  readonly type: string;
  readonly value: string;
  /** Of other bytes; equal by the type's own `=` where it has one that says so. */
  readonly other: string;
  /** Has the column's type a modifier? */
  readonly limited?: true;
};

const CASES: readonly Case[] = [
  { name: 'text', type: 'text', value: NOISE, other: `${NOISE.slice(1)}-` },
  { name: 'compressed_text', type: 'text', value: REPEATED, other: `-${REPEATED.slice(1)}` },
  {
    name: 'text_without_case',
    type: 'text collate without_case',
    value: `a${NOISE}`,
    other: `A${NOISE}`,
  },
  { name: 'limited_text', type: 'varchar(20000)', value: NOISE, other: `${NOISE}-`, limited: true },
  { name: 'padded_text', type: 'char(9000)', value: NOISE.padEnd(9000), other: '-'.padEnd(9000), limited: true },
  { name: 'bytes', type: 'bytea', value: `\\x00${NOISE}`, other: `\\x01${NOISE}` },
  {
    name: 'document',
    type: 'jsonb',
    value: `{"n": 1.5, "text": "${NOISE}"}`,
    other: `{"n": 1.50, "text": "${NOISE}"}`,
  },
  { name: 'plain_document', type: 'json', value: `{"n":1,"text":"${NOISE}"}`, other: `{"n": 1,"text":"${NOISE}"}` },
  { name: 'texts', type: 'text[]', value: `{a,NULL,${NOISE}}`, other: `{a,"",${NOISE}}` },
  { name: 'numbers', type: 'float8[]', value: numbers('0'), other: numbers('-0') },
  { name: 'described', type: 'description', value: `d${NOISE}`, other: `D${NOISE}` },
  { name: 'pairs', type: 'pair', value: `(1.5,${NOISE})`, other: `(1.50,${NOISE})` },
];

/** On tables of policy `merge` versions are joined; the statement that writes them assigns like that for conflicts. */
const MERGED = CASES.filter(({ name }) => ['text', 'limited_text', 'document'].includes(name)).map((one) => ({
  ...one,
  name: `merged_${one.name}`,
}));

const createOf = ({ name, type }: Case): string =>
  `create table ${name} (id bigint primary key, v ${type}, note text);`;

const SCHEMA = /* sql */ `
create collation without_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create domain description as text collate without_case check (value like '%');
create type pair as (number numeric, text text);
${[...CASES, ...MERGED].map(createOf).join('\n')}`;

/** How a version gets into a table: by the statement for what succeeds the stored version, by the one for conflicts, or joined with it. */
const PATHS = { clean: CASES, conflict: CASES, joined: MERGED };
type Path = keyof typeof PATHS;

for (const version of ['18', '15'] as const)
  describe(`stored values, PostgreSQL ${version}`, { timeout: 240_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let stamp: Stamp = HOUR_AGO;
    let writes = 0;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu', 'ap'],
        schema: SCHEMA,
        tables: [
          ...CASES.map(({ name }) => `public.${name}`),
          ...MERGED.map(({ name }) => ({ name: `public.${name}`, policy: 'merge' as const })),
        ],
      });
    });

    /** A newer version of the row. Conflicts are those of two regions in turns that have not seen each other. */
    async function write(path: Path, table: string, v: string | null): Promise<void> {
      stamp += 1_000_000;
      writes += 1;
      const region = path === 'conflict' && writes % 2 === 0 ? 'ap' : 'eu';
      const note = String(writes);
      await us.receive(region, foreignRow(`public.${table}`, { id: '1' }, { v, note }, { region, stamp }));
      const [row] = await us.sql.unsafe(
        `select case when v is not null then format('%s', v) end as v, note from ${table}`,
      );
      assert.ok(row?.v === v && row?.note === note, 'the row is not what was sent');
    }

    /** Writes it, and returns the id of the value that is out of line: another one when it was stored anew. */
    async function storedAfter(path: Path, table: string, v: string | null): Promise<string | undefined> {
      await write(path, table, v);
      const [{ toast } = {}] = await us.sql<{ toast: string }[]>`
        select reltoastrelid::regclass::text as toast from pg_class where oid = ${table}::regclass`;
      const ids = await us.sql.unsafe<{ id: string }[]>(`select distinct chunk_id::text as id from ${toast}`);
      assert.ok(ids.length <= 1, `${ids.length} values are out of line`);
      return ids[0]?.id;
    }

    for (const path of ['clean', 'conflict', 'joined'] as const)
      for (const { name, value, other, limited } of PATHS[path])
        test(`${path}, ${name}: what has not changed stays where it is, what has is replaced`, async () => {
          assert.equal(await storedAfter(path, name, null), undefined);
          const first = await storedAfter(path, name, value);
          assert.notEqual(first, undefined);
          const again = await storedAfter(path, name, value);
          if (limited !== true || path === 'clean') assert.equal(again, first);
          assert.notEqual(await storedAfter(path, name, other), again);
          assert.equal(await storedAfter(path, name, null), undefined);
        });

    test('a value that is stored in another form than it would be now stays in it', async () => {
      const table = 'compressed_text';
      const first = await storedAfter('clean', table, REPEATED);
      await us.sql.unsafe(`alter table ${table} alter v set storage external`);
      assert.equal(await storedAfter('clean', table, REPEATED), first);
      assert.notEqual(await storedAfter('clean', table, `${REPEATED}.`), first);
    });
  });
