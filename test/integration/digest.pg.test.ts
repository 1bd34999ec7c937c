import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import type { DigestAnswers, DigestMode, Hashing, Key, KeyRange, Reading } from '@concord/events';
import { mixed, randomFrom } from '../simulation/random.ts';
import { ALL, type Ask, asking, rangesBetween, readingOf, together, wholeOf } from '../support/asked.ts';
import { useCluster } from '../support/cluster.ts';
import { FILL, PLAIN, SCHEMA, STAMPS, TABLES } from '../support/digest-tables.ts';
import { createRegions, type Region } from '../support/regions.ts';

const SEED = Number(process.env.CONCORD_SEED ?? 20_261_122);
const MODES: readonly DigestMode[] = ['stamps', 'full', 'recent'];
const HASHINGS: readonly Hashing[] = ['record', 'text'];

for (const version of ['18', '15'] as const)
  describe(`digests on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let [here, there]: Region[] = [];
    let [askHere, askThere]: Ask[] = [];
    const both = async (statement: string): Promise<void> => {
      for (const region of [here, there] as Region[])
        await region.sql
          .unsafe(`set session_replication_role = replica; ${statement}; reset session_replication_role`)
          .simple();
    };
    const alone = (statement: string) =>
      here!.sql.unsafe(`set session_replication_role = replica; ${statement}; reset session_replication_role`).simple();
    before(async () => {
      const tables = [...PLAIN, { name: 'public.stocks', counters: ['n'] }];
      [here, there] = await createRegions(await cluster(), { names: ['eu-1', 'us-1'], schema: SCHEMA, tables });
      [askHere, askThere] = [asking(here!), asking(there!)];
    });
    beforeEach(async () => {
      const all = TABLES.map((table) => `delete from ${table}; delete from concord_${table}`).join('; ');
      await both(
        `${all}; delete from concord.limbo; delete from concord.unsettled; delete from concord.parked; delete from concord.watermark; ${Object.values(FILL).join('; ')}`,
      );
    });

    const reading = (table: string, more: Partial<Reading> = {}) => readingOf(askHere!, `public.${table}`, more);
    const areEqual = async (of: Reading): Promise<boolean> => {
      const [one, other] = [await wholeOf(askHere!, of), await wholeOf(askThere!, of)];
      return JSON.stringify(one) === JSON.stringify(other);
    };
    const assertAlike = async (
      table: string,
      expected: Readonly<Record<DigestMode, boolean>>,
      why = table,
    ): Promise<void> => {
      for (const mode of MODES)
        for (const hashing of HASHINGS)
          assert.equal(
            await areEqual(await reading(table, { mode, hashing })),
            expected[mode],
            `${mode} by ${hashing}: ${why}`,
          );
    };
    const SAME = { stamps: true, full: true, recent: true };
    const OTHER = { stamps: false, full: false, recent: false };
    const CONTENT = { stamps: true, full: false, recent: true };

    test('equal tables have equal digests, in every mode; the whole is the sum of its ranges, wherever these begin', async () => {
      for (const table of Object.keys(FILL)) {
        await assertAlike(table, SAME);
        for (const hashing of HASHINGS) {
          const of = await reading(table, { hashing });
          const whole = await wholeOf(askHere!, of);
          const { boundaries } = await askHere!({ do: 'split', table: of.table, rows: 30 });
          assert.ok(boundaries.length >= 5, `${table} ${boundaries.length}`);
          const ranges = rangesBetween(boundaries);
          const { digests } = await askHere!({ do: 'digest', reading: of, ranges });
          assert.deepEqual(together(digests), whole, table);
          for (const { rows } of digests) assert.ok(rows >= 20 && rows <= 40, `${table}: ${rows}`);
          const backwards = await askHere!({ do: 'digest', reading: of, ranges: ranges.toReversed() });
          assert.deepEqual(backwards.digests.toReversed(), digests, 'ranges that are no neighbours');
        }
      }
    });

    test('random ranges partition a table, of any key', async (t) => {
      t.diagnostic(`CONCORD_SEED=${SEED}`);
      const random = randomFrom(mixed(SEED, Number(version)));
      for (const table of Object.keys(FILL)) {
        const of = await reading(table, { mode: 'stamps' });
        const { lines } = await askHere!({ do: 'list', reading: of, ranges: [ALL], limit: 1000 });
        const whole = await wholeOf(askHere!, of);
        assert.equal(lines.length, whole.rows);
        assert.deepEqual(together(lines.map(({ hash }) => ({ rows: 1, xor: hash, sum: hash }))), whole);
        for (let round = 0; round < 5; round++) {
          const boundaries = lines.filter(() => random.chance(0.05)).map(({ key }) => key);
          const { digests } = await askHere!({ do: 'digest', reading: of, ranges: rangesBetween(boundaries) });
          assert.deepEqual(together(digests), whole);
          const starts = [0, ...boundaries.map((key) => lines.findIndex((line) => line.key === key)), lines.length];
          assert.deepEqual(
            digests.map(({ rows }) => rows),
            starts.slice(1).map((start, index) => start - starts[index]!),
          );
        }
      }
    });

    test('digests are equal exactly where contents are: any one change of random ones tells', async (t) => {
      t.diagnostic(`CONCORD_SEED=${SEED}`);
      const random = randomFrom(mixed(SEED, 7 + Number(version)));
      const later = `timestamptz '2026-05-05' + ${random.below(1000)} * interval '1 ms'`;
      const id = () => 3 * random.between(1, 400);
      const changes: [statement: string, expected: Readonly<Record<DigestMode, boolean>>][] = [
        [`update users set name = name || 'x' where id = ${id()}`, CONTENT],
        [`update users set email = null where id = ${id()}`, CONTENT],
        [`update users set doc = '{"a": 1}' where id = ${id()}`, CONTENT],
        [`update users set _version = 2 where id = ${id()}`, CONTENT],
        [`update users set _version_vector = '{"us-1": 1}' where id = ${id()}`, CONTENT],
        [`update users set _last_updated = ${later} where id = ${id()}`, OTHER],
        [`update users set _last_updated = _last_updated + interval '1 microsecond' where id = ${id()}`, OTHER],
        [`update users set _source_region = 'us-1' where id = ${id()}`, OTHER],
        [`delete from users where id = ${id()}`, OTHER],
        [`insert into users (id) values (${id() + 1})`, OTHER],
        [`update users set _local = true where id = ${id()}`, SAME],
        [
          `with gone as (delete from users where id = ${id()} returning *) insert into concord_public.users (id, _version, _last_updated, _source_region, _tx_id, _version_vector, _local) select id, _version, _last_updated, _source_region, _tx_id, _version_vector, false from gone`,
          OTHER,
        ],
      ];
      for (const [statement, expected] of changes) {
        await alone(statement);
        await assertAlike('users', expected, statement);
        await alone(`delete from users; delete from concord_public.users; ${FILL.users}`);
      }
      await assertAlike('users', SAME);
    });

    test('two columns that swap their values tell, and so does NULL for an empty text', async () => {
      await both(
        `update users set email = 'a', name = 'b' where id = 3; update users set email = '', name = null where id = 6`,
      );
      await alone(`update users set email = 'b', name = 'a' where id = 3`);
      await assertAlike('users', CONTENT);
      await alone(`update users set email = 'a', name = 'b' where id = 3`);
      await assertAlike('users', SAME);
      await alone(`update users set email = null, name = '' where id = 6`);
      await assertAlike('users', CONTENT);
    });

    test('columns count by their names, whatever their order; one that is not covered does not', async () => {
      await here!.sql.unsafe('alter table codes add column late text; alter table codes add column b text').simple();
      await there!.sql.unsafe('alter table codes add column b text; alter table codes add column late text').simple();
      await both(`update codes set late = v::text, b = 'x'`);
      await assertAlike('codes', SAME);
      await alone(`update codes set late = 'y' where v = 7`);
      await assertAlike('codes', CONTENT);
      const { columns, ...of } = await reading('codes');
      assert.equal(await areEqual({ ...of, columns: columns.filter((name) => name !== 'late') }), true);
    });

    const hold = (id: number): string => `with gone as (delete from users where id = ${id} returning *)
      insert into concord.limbo (table_name, key, event, stamp, region) select 'public.users', jsonb_build_array(id::text),
        json_build_object('id', id::text, 'email', email, 'name', name, 'doc', doc::text, '_version', _version::text, '_last_updated', _last_updated::text,
          '_source_region', _source_region, '_tx_id', _tx_id::text, '_version_vector', _version_vector::text, '_claim', _claim), _last_updated, _source_region from gone`;

    test('a held row is the row that it is elsewhere', async () => {
      await alone(hold(30));
      await assertAlike('users', SAME);
      const { lines } = await askHere!({
        do: 'list',
        reading: await reading('users'),
        ranges: [{ from: ['27'], to: ['34'] }],
        limit: 10,
      });
      assert.deepEqual(
        lines.map(({ key, place }) => [key[0], place]),
        [
          ['27', 'row'],
          ['30', 'held'],
          ['33', 'row'],
        ],
      );
      await alone(`update concord.limbo set event = (event::jsonb || '{"name": "other"}')::json`);
      await assertAlike('users', CONTENT);
    });

    const bury = (id: number, stamp: string): string =>
      `insert into concord_public.users (id, image, _last_updated, _source_region, _version_vector) values (${id}, null, ${stamp}, 'eu-1', '{}')`;

    test('tombstones below the horizon, and beneath a newer row, seen or held, are no part of the state', async () => {
      const old = `timestamptz '2025-06-01'`;
      await alone(bury(1, old));
      await assertAlike('users', OTHER);
      assert.equal(await areEqual(await reading('users', { horizonUs: Date.UTC(2025, 5, 2) * 1000 })), true);
      assert.equal(await areEqual(await reading('users', { horizonUs: Date.UTC(2025, 5, 1) * 1000 })), false);
      await alone(`delete from concord_public.users; ${bury(3, old)}; ${bury(6, old)}; ${hold(6)}`);
      await assertAlike('users', SAME);
      await alone(`delete from concord_public.users; ${bury(3, `timestamptz '2026-06-01'`)}`);
      await assertAlike('users', OTHER);
    });

    test('of a lattice table every entry of the vector counts, and a tombstone is older than a row of a later life', async () => {
      const row = (vector: string, life: string): string =>
        `insert into stocks (id, v, _last_updated, _source_region, _version_vector, _incarnation) values (1, 'v', timestamptz 'epoch' + interval '5 us', 'eu-1', '${vector}', '${life}')`;
      await both(row('{"eu-1": 5, "us-1": 7}', '[5, "eu-1"]'));
      await assertAlike('stocks', SAME);
      await alone(`update stocks set _version_vector = '{"eu-1": 5, "us-1": 8}'`);
      await assertAlike('stocks', OTHER);
      const { lines } = await askHere!({ do: 'list', reading: await reading('stocks'), ranges: [ALL], limit: 1 });
      assert.deepEqual(
        lines.map(({ stampUs, latestUs, version: text }) => [stampUs, latestUs, text]),
        [[5, 8, '{"eu-1": 5, "us-1": 8}']],
      );
      const since = await reading('stocks', { mode: 'recent', sinceUs: 8 });
      assert.deepEqual([(await wholeOf(askHere!, since)).rows, (await wholeOf(askThere!, since)).rows], [1, 0]);
      const dead = (life: string): string =>
        `delete from concord_public.stocks; insert into concord_public.stocks (id, _last_updated, _source_region, _version_vector, _incarnation) values (1, timestamptz 'epoch' + interval '6 us', 'eu-1', '{}', '${life}')`;
      await alone(dead('[4, "us-1"]'));
      assert.equal((await wholeOf(askHere!, await reading('stocks'))).rows, 1);
      await alone(dead('[5, "eu-1"]'));
      assert.equal((await wholeOf(askHere!, await reading('stocks'))).rows, 2);
    });

    test('recent covers versions from a stamp on', async () => {
      const sinceUs = (Date.UTC(2026, 0, 1) + 391_000) * 1000;
      assert.equal((await wholeOf(askHere!, await reading('users', { mode: 'recent', sinceUs }))).rows, 10);
      await alone(`update users set _source_region = 'us-1' where id = 3`);
      assert.equal(await areEqual(await reading('users', { mode: 'recent', sinceUs })), true);
      await alone(`update users set _source_region = 'us-1' where id = 1200`);
      assert.equal(await areEqual(await reading('users', { mode: 'recent', sinceUs })), false);
    });

    test('pages and lists go through a table in key order, each version once, a key never apart', async () => {
      await both(`${bury(30, `timestamptz '2026-06-01'`)}; ${bury(31, `timestamptz '2026-06-01'`)}; ${hold(33)}`);
      for (const table of ['users', 'pairs', 'moods', 'codes']) {
        const of = await reading(table);
        const seen: string[] = [];
        for (let ranges: readonly KeyRange[] = [ALL]; ranges.length > 0; ) {
          const listed: DigestAnswers['list'] = await askHere!({
            do: 'list',
            reading: of,
            ranges: [...ranges],
            // The tenth line is the row of a key, the eleventh its tombstone.
            limit: 10,
          });
          seen.push(...listed.lines.map(({ id, place, hash }) => `${id} ${place} ${hash}`));
          assert.ok(listed.lines.length <= 12);
          ranges = listed.left;
        }
        assert.equal(new Set(seen).size, seen.length);
        assert.equal(seen.length, (await wholeOf(askHere!, of)).rows);
        const paged: string[] = [];
        let pages = 0;
        for (let from: Key | null = null; ; pages++) {
          const range = { from, to: null };
          const page = await askHere!({ do: 'page', reading: of, range, limit: 50, maxBytes: 4000 });
          for (const { event } of page.versions) assert.equal(typeof event._last_updated, 'string');
          paged.push(...page.versions.map(({ id, place, hash }) => `${id} ${place} ${hash}`));
          from = page.next as Key | null;
          if (from === null) break;
        }
        assert.deepEqual(paged, seen);
        assert.ok(pages > seen.length / 50 + 1, `${pages} pages: their bytes are limited`);
      }
    });

    test('versions: all that is stored of a key, with what is still to be decided', async () => {
      const old = `timestamptz '2025-06-01'`;
      await alone(`${bury(3, old)}; ${hold(6)}; ${bury(6, old)}; ${bury(31, old)}; insert into concord.unsettled values ('public.users', '{31}'), ('public.users', '{9}'), ('public.pairs', '{A}');
        insert into concord.parked (topic, partition, "offset", table_name, reason, error, key) values
          ('cdc.us-1', 0, 1, 'public.users', 'locked', 'e', '{"id":"6","_table":"public.users"}'), ('cdc.us-1', 0, 2, null, 'contract', 'e', '{"id":"junk","_table":"public.users"}'),
          ('cdc.us-1', 0, 3, 'public.users', 'contract', 'e', '\\xff00'), ('cdc.us-1', 0, 4, 'public.users', 'below_horizon', 'e', '{"id":"3","_table":"public.users"}')`);
      const of = await reading('users', { mode: 'recent', horizonUs: 2 ** 52, sinceUs: 2 ** 52 });
      const answered = await askHere!({ do: 'versions', reading: of, keys: [['3'], ['6'], ['31'], ['32']] });
      assert.deepEqual(answered.versions.map(({ id, place }) => `${id} ${place}`).sort(), [
        '["3"] row',
        '["3"] tombstone',
        '["31"] tombstone',
        '["6"] held',
        '["6"] tombstone',
      ]);
      assert.deepEqual([answered.unsettled, answered.parked], [['["31"]'], ['["6"]']]);
      const row = answered.versions.find(({ place }) => place === 'row')!;
      assert.deepEqual(
        [row.event.id, row.event.name, row.event.doc, row.event._last_updated, row.event._local, row.event.folded],
        ['3', 'N1', '{"a":  1}', '2026-01-01 00:00:01+00', undefined, undefined],
      );
      assert.deepEqual([row.stampUs, row.region, row.version], [1767225601000000, 'eu-1', '1767225601000000 eu-1']);
    });

    test('keys that are equal by type are one, however they are spelled', async () => {
      await both(`insert into pairs (hall, seat, at) values ('zz', 1.5, '2026-01-01 00:00+00')`);
      await alone(`update pairs set seat = 1.50 where hall = 'zz'`);
      await assertAlike('pairs', CONTENT);
      const of = await reading('pairs');
      const keys = [['zz', '1.500', '2026-01-01 01:00+01']];
      const one = await askHere!({ do: 'versions', reading: of, keys });
      const other = await askThere!({ do: 'versions', reading: of, keys });
      assert.deepEqual([one.versions[0]?.key[1], other.versions[0]?.key[1]], ['1.50', '1.5']);
      assert.equal(one.versions[0]?.id, other.versions[0]?.id);
    });

    test('state: what was delivered of each source and partition, what is parked, and how far this region is closed', async () => {
      await here!.sql`select concord.beat()`;
      await here!.sql`select concord.beat()`;
      await alone(`insert into concord.watermark (topic, partition, closed_at, gap_closed_at) values ('cdc.us-1', 2, '2026-01-02', null), ('cdc.us-1', 3, '2026-01-03', '2026-01-01'), ('cdc.gone-1', 0, '2026-01-01', null);
        insert into concord.parked (topic, partition, "offset", table_name, stamp, reason, error) values ('cdc.us-1', 2, 1, 'public.codes', '2026-02-01', 'locked', 'e'),
          ('cdc.us-1', 2, 2, null, null, 'contract', 'e'), ('cdc.us-1', 0, 3, 'public.codes', '2025-01-01', 'below_horizon', 'e'), ('cdc.us-1', 0, 4, 'public.pairs', '2025-01-01', 'locked', 'e');
        insert into concord.unsettled values ('public.codes', '{x}'); ${hold(3)}; update concord.enrolled_table set horizon = '2025-12-01' where table_name = 'public.codes'`);
      const state = await askHere!({ do: 'state', tables: ['public.codes', 'public.users', 'public.none', 'none'] });
      const us = (day: number): number => Date.UTC(2026, 0, day) * 1000;
      assert.deepEqual(state.applied, { 'us-1': [0, 0, us(2), us(1), 0, 0, 0, 0] });
      assert.ok(Math.abs(state.closedUs / 1000 - Date.now()) < 60_000, String(state.closedUs));
      assert.deepEqual(Object.keys(state.tables).sort(), ['public.codes', 'public.users']);
      const { columns, ...codes } = state.tables['public.codes']!;
      assert.deepEqual(codes, {
        rollout: 'live',
        lattice: false,
        key: ['code'],
        rows: 300,
        horizonUs: Date.UTC(2025, 11, 1) * 1000,
        unsettled: 1,
        parked: 2,
        oldestParkedUs: us(2),
        held: 0,
      });
      assert.deepEqual(columns.slice(0, 2), [
        { name: 'code', type: 'text', generated: false },
        { name: 'v', type: 'integer', generated: false },
      ]);
      assert.deepEqual([state.tables['public.users']?.held, state.region, state.suspended], [1, 'eu-1', null]);
      const other = await askThere!({ do: 'state', tables: [] });
      assert.deepEqual([other.selfTest, other.topology], [state.selfTest, state.topology]);
      await alone(`update concord.enrolled_table set horizon = '-infinity'`);
    });

    test('a large table is split by a sample', async () => {
      await alone(
        `insert into codes select md5(i::text), i, ${STAMPS} from generate_series(1, 120000) i; analyze codes`,
      );
      const { boundaries } = await askHere!({ do: 'split', table: 'public.codes', rows: 12_000 });
      const { digests } = await askHere!({
        do: 'digest',
        reading: await reading('codes', { mode: 'stamps' }),
        ranges: rangesBetween(boundaries),
      });
      assert.equal(digests.length, 10);
      assert.equal(together(digests).rows, 120_300);
      for (const { rows } of digests) assert.ok(rows > 6_000 && rows < 20_000, String(rows));
    });

    test('where time is short fewer ranges are answered, at least one', async () => {
      const { boundaries } = await askHere!({ do: 'split', table: 'public.users', rows: 10 });
      const ranges = rangesBetween(boundaries);
      const of = await reading('users');
      const { digests } = await askHere!({ do: 'digest', reading: of, ranges }, Date.now());
      const whole = await askHere!({ do: 'digest', reading: of, ranges }, Date.now() + 600_000);
      assert.equal(digests.length, 1);
      assert.equal(whole.digests.length, 40);
      assert.deepEqual(digests[0], whole.digests[0]);
    });

    test('checks: orphans, rows beneath a newer tombstone, values that are not unique', async () => {
      assert.deepEqual(await askHere!({ do: 'checks', table: 'public.pets' }), { checks: [] });
      await here!.sql.unsafe('alter table pets add unique (tag)');
      await alone(`insert into owners values (1); insert into pets values (1, 1, 1), (2, 2, 2), (3, null, null), (4, null, null); ${bury(3, `timestamptz '2026-06-01'`)};
        ${bury(6, `timestamptz '2026-06-01'`)}; insert into concord.unsettled values ('public.users', '{6}')`);
      await alone(
        `update pg_index set indisunique = false, indisready = false, indisvalid = false where indexrelid = 'pets_tag_key'::regclass`,
      );
      await alone('insert into pets values (5, 1, 1)');
      await alone(`update pg_index set indisunique = true where indexrelid = 'pets_tag_key'::regclass`);
      assert.deepEqual((await askHere!({ do: 'checks', table: 'public.pets' })).checks, [
        { check: 'orphan', name: 'pets_owner_fkey', rows: 1, keys: [['2']] },
        { check: 'unique', name: 'pets_tag_key', rows: 2, keys: [['1'], ['5']] },
      ]);
      assert.deepEqual((await askHere!({ do: 'checks', table: 'public.users' })).checks, [
        { check: 'buried', name: 'public.users', rows: 1, keys: [['3']] },
      ]);
      await here!.sql.unsafe('alter table pets drop constraint pets_tag_key');
    });

    test('the report of a run is kept once', async () => {
      for (const verdict of ['diverged', 'match'])
        await askHere!({ do: 'keep', run: 'r-1', report: { verdict, tables: [] } });
      const rows = await here!.sql`select run, verdict, report ->> 'verdict' as report from concord.reconciliation`;
      assert.deepEqual([...rows], [{ run: 'r-1', verdict: 'match', report: 'match' }]);
      await assert.rejects(askHere!({ do: 'keep', run: 'r-2', report: { verdict: 'fine' } }), /no verdict/);
    });

    test('what is not known here is refused by name', async () => {
      const of = await reading('users');
      const ask = (more: Partial<Reading>, key: Key = ['1']) =>
        askHere!({ do: 'digest', reading: { ...of, ...more }, ranges: [{ from: key, to: null }] });
      await assert.rejects(ask({ table: 'public.none' }), /table public.none does not exist here/);
      await assert.rejects(ask({ table: 'concord.region' }), /concord.region is not enrolled here/);
      await assert.rejects(ask({ columns: ['nope'] }), /column nope does not exist in public.users here/);
      await assert.rejects(ask({}, ['1', '2']), /primary key of public.users has 1 column\(s\)/);
      await assert.rejects(ask({}, ['x']), /public.users: invalid input syntax for type bigint: "x"/);
      await assert.rejects(
        askHere!({ do: 'versions', reading: of, keys: [['x']] }),
        /public.users: invalid input syntax/,
      );
    });
  });
