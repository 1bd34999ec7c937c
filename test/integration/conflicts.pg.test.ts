import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Sql } from '@concord/runtime';
import { showConflict } from '../../functions/operate/conflict.ts';
import type { ConflictLine } from '../../functions/operate/conflict-line.ts';
import { type ConflictFilter, countConflicts, listConflicts } from '../../functions/operate/conflicts.ts';
import { Refused } from '../../functions/operate/refused.ts';
import { reinstate } from '../../functions/operate/reinstate.ts';
import { conflictStatistics } from '../../functions/operate/statistics.ts';
import { useCluster } from '../support/cluster.ts';
import { exchange, sameRowsEverywhere } from '../support/exchange.ts';
import { localVersions } from '../support/records.ts';
import { createRegions, type Region } from '../support/regions.ts';

const SCHEMA = `
create table plain (id bigint primary key, v text);
create table ranked (id bigint primary key, v text);
create table merged (id bigint primary key, name text, city text, street text, stock bigint not null default 0);
create table kept (id bigint primary key, v text);
create table people (id bigint primary key, email text unique);`;
const TABLES = [
  'public.plain',
  { name: 'public.ranked', policy: 'priority', review: 'alert' },
  { name: 'public.merged', policy: 'merge', groups: [['city', 'street']], counters: ['stock'], review: 'manual' },
  { name: 'public.kept', delete: 'wins' },
  'public.people',
] as const;
const NAMES = TABLES.map((table) => (typeof table === 'string' ? table : table.name));

for (const version of ['15', '18'] as const)
  describe(`the conflict log, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let regions: Region[] = [];
    let [us, eu, ap]: [Region, Region, Region] = [] as never;
    let operators: Sql[] = [];
    let id = 0;

    before(async () => {
      const options = { names: ['us', 'eu', 'ap'], schema: SCHEMA, tables: TABLES, priority: { us: 60_000 } };
      regions = await createRegions(await cluster(), options);
      [us, eu, ap] = regions as [Region, Region, Region];
      operators = regions.map(({ database }) => database.connect({ user: 'concord_operator' }));
    });

    const write = async (region: Region, sql: string): Promise<void> => void (await region.session().run(sql));
    const exchanged = (): Promise<void> => exchange(regions, ...NAMES);
    const linesOf = async (table: string, key: number): Promise<ConflictLine[][]> => {
      const pages = operators.map((sql) => listConflicts(sql, { filter: { table, key: [`${key}`] } }));
      return (await Promise.all(pages)).map(({ conflicts }) =>
        conflicts.toSorted((a, b) => (a.part < b.part ? -1 : 1)),
      );
    };
    const rowOf = async (table: string, key: number): Promise<Record<string, string | null> | undefined> =>
      (await sameRowsEverywhere(regions, table)).find((row) => row.id === `${key}`);

    /** What every region logged: the same conflicts, each once. */
    async function everywhere(table: string, key: number): Promise<ConflictLine[]> {
      const logs = await linesOf(table, key);
      const ids = (lines: ConflictLine[] = []): string[] => lines.map((line) => line.id);
      for (const lines of logs) assert.deepEqual(ids(lines), ids(logs[0]));
      return logs[0] ?? [];
    }

    /** Two regions do something to a row that all have; the second one is the later. */
    async function clash(
      table: string,
      columns: string,
      first: string,
      second: string,
      others: readonly string[] = [],
    ): Promise<number> {
      const key = ++id;
      await write(us, `insert into ${table} values (${key}, ${columns})`);
      await exchanged();
      await write(us, first.replaceAll('$', `${key}`));
      await write(eu, second.replaceAll('$', `${key}`));
      for (const other of others) await write(ap, other.replaceAll('$', `${key}`));
      await exchanged();
      await exchanged();
      return key;
    }

    test('two inserts of one key', async () => {
      const key = ++id;
      await write(us, `insert into plain values (${key}, 'us')`);
      await write(eu, `insert into plain values (${key}, 'eu')`);
      await exchanged();
      const [line, ...more] = await everywhere('public.plain', key);
      assert.deepEqual(
        [line?.kind, line?.rule, line?.state, line?.review, more],
        ['insert_exists', 'lww', 'logged', 'log', []],
      );
      assert.deepEqual([line?.loser.region, line?.loser.image], ['us', { id: `${key}`, v: 'us' }]);
      assert.deepEqual([line?.winner.region, line?.winner.image], ['eu', { id: `${key}`, v: 'eu' }]);
    });

    test('two updates, and the images of both whichever came second', async () => {
      const key = await clash(
        'plain',
        `'x'`,
        `update plain set v = 'us' where id = $`,
        `update plain set v = 'eu' where id = $`,
      );
      await everywhere('public.plain', key);
      for (const [line] of await linesOf('public.plain', key)) {
        assert.equal(line?.kind, 'update_origin_differs');
        assert.deepEqual([line?.loser.image?.v, line?.winner.image?.v], ['us', 'eu']);
      }
    });

    test('an update and a delete: its kind depends on who came second, its id does not', async () => {
      const key = await clash(
        'plain',
        `'x'`,
        `update plain set v = 'us' where id = $`,
        'delete from plain where id = $',
      );
      await everywhere('public.plain', key);
      const kinds = (await linesOf('public.plain', key)).map(([line]) => line?.kind);
      assert.deepEqual(kinds.slice(0, 2), ['delete_origin_differs', 'update_deleted']);
    });

    test('a region’s bonus decides, and the table asks for an alert', async () => {
      const key = await clash(
        'ranked',
        `'x'`,
        `update ranked set v = 'us' where id = $`,
        `update ranked set v = 'eu' where id = $`,
      );
      const [line] = await everywhere('public.ranked', key);
      assert.deepEqual(
        [line?.rule, line?.review, line?.state, line?.loser.region],
        ['priority', 'alert', 'logged', 'eu'],
      );
      assert.equal((await rowOf('public.ranked', key))?.v, 'us');
    });

    test('a register that lost is open where the table asks for it, and comes back alone', async () => {
      const key = await clash(
        'merged',
        `'n', 'c', 's', 0`,
        `update merged set city = 'Lyon', street = 'Rue 1', name = 'us' where id = $`,
        `update merged set street = 'Weg 2' where id = $`,
        ['update merged set stock = stock - 2 where id = $'],
      );
      const before = { id: `${key}`, name: 'us', city: 'c', street: 'Weg 2', stock: '-2' };
      assert.deepEqual(await rowOf('public.merged', key), before);
      const [line, ...more] = await everywhere('public.merged', key);
      assert.deepEqual(
        [line?.part, line?.rule, line?.review, line?.state, more],
        ['city,street', 'merge', 'manual', 'open', []],
      );
      await write(ap, `update merged set name = 'ap', stock = stock - 1 where id = ${key}`);
      await exchanged();
      assert.equal((await showConflict(operators[2] as Sql, line?.id ?? '')).unchanged, true);
      await reinstate(operators[2] as Sql, line?.id ?? '');
      await exchanged();
      assert.deepEqual(await rowOf('public.merged', key), {
        id: `${key}`,
        name: 'ap',
        city: 'Lyon',
        street: 'Rue 1',
        stock: '-3',
      });
      assert.equal((await showConflict(operators[0] as Sql, line?.id ?? '')).unchanged, false);
      await assert.rejects(reinstate(operators[0] as Sql, line?.id ?? ''), Refused);
    });

    test('increments that a delete had not seen', async () => {
      const key = await clash(
        'merged',
        `'n', 'c', 's', 10`,
        'update merged set stock = stock - 3 where id = $',
        'delete from merged where id = $',
      );
      assert.equal(await rowOf('public.merged', key), undefined);
      const [line, ...more] = await everywhere('public.merged', key);
      assert.deepEqual([line?.rule, line?.amount, line?.state, more], ['counter', '-3', 'open', []]);
      assert.match(line?.part ?? '', /^stock[+][0-9]+$/);
      const operator = operators[1] as Sql;
      await assert.rejects(reinstate(operator, line?.id ?? ''), /the row that -3 was added to is not there/);
      await write(eu, `insert into merged values (${key}, 'again', null, null, 10)`);
      await assert.rejects(reinstate(operator, line?.id ?? ''), /since the conflict was decided/);
      const done = await reinstate(operator, line?.id ?? '', { anyway: true });
      assert.deepEqual([done.action, done.columns], ['add', [{ column: 'stock', from: '10', to: '-3' }]]);
      await exchanged();
      assert.equal((await rowOf('public.merged', key))?.stock, '7');
    });

    test('a delete that wins against a later update', async () => {
      const key = await clash('kept', `'x'`, 'delete from kept where id = $', `update kept set v = 'eu' where id = $`);
      assert.equal(await rowOf('public.kept', key), undefined);
      const [line, ...more] = await everywhere('public.kept', key);
      assert.deepEqual(
        [line?.rule, line?.loser.region, line?.winner.kind, more],
        ['delete wins', 'eu', 'tombstone', []],
      );
      assert.equal((await reinstate(operators[0] as Sql, line?.id ?? '')).action, 'insert');
      await exchanged();
      assert.equal((await rowOf('public.kept', key))?.v, 'eu');
    });

    test('two rows with one unique value: the later claim is held, and comes back with another value', async () => {
      const [first, second] = [++id, ++id];
      await write(us, `insert into people values (${first}, 'ada@x')`);
      await write(eu, `insert into people values (${second}, 'ada@x')`);
      await exchanged();
      assert.equal(await rowOf('public.people', second), undefined);
      const [line, ...more] = await everywhere('public.people', second);
      assert.deepEqual(
        [line?.kind, line?.rule, line?.loser.region, more],
        ['multiple_unique_conflicts', 'unique', 'eu', []],
      );
      assert.deepEqual(line?.winner.image, { id: `${first}`, email: 'ada@x' });
      const operator = operators[2] as Sql;
      const shown = await showConflict(operator, line?.id ?? '');
      assert.deepEqual([shown.unchanged, shown.standing?.kind], [true, 'held']);
      await assert.rejects(reinstate(operator, line?.id ?? ''), /the row is held/);
      await assert.rejects(reinstate(operator, line?.id ?? '', { set: { email: 'ada@x' } }), /the row is held/);
      await reinstate(operator, line?.id ?? '', { set: { email: 'ada@y' } });
      await exchanged();
      assert.equal((await rowOf('public.people', second))?.email, 'ada@y');
      for (const { sql } of regions) assert.deepEqual([...(await sql`select from concord.limbo`)], []);
      await assert.rejects(reinstate(operators[0] as Sql, line?.id ?? '', { set: { email: 'b@y' } }), /visible again/);
    });

    test('a value that is taken is told', async () => {
      const [first, second, third] = [++id, ++id, ++id];
      await write(us, `insert into people values (${first}, 'eve@x'), (${third}, 'eve@z')`);
      await write(eu, `insert into people values (${second}, 'eve@x')`);
      await exchanged();
      const [line] = await everywhere('public.people', second);
      await assert.rejects(
        reinstate(operators[1] as Sql, line?.id ?? '', { set: { email: 'eve@z' } }),
        /unique values: Key \(email\)/,
      );
      for (const { sql } of regions) assert.equal((await sql`select from concord.limbo`).length, 1);
    });

    test('a conflict that settling finds is logged as others are', async () => {
      const key = await clash(
        'ranked',
        `'x'`,
        `update ranked set v = 'us' where id = $`,
        `update ranked set v = 'eu' where id = $`,
      );
      const late = us.session();
      const other = ++id;
      await write(eu, `insert into ranked values (${other}, 'eu')`);
      await write(eu, `delete from ranked where id = ${other}`);
      await eu.sql`update concord_public.ranked set _last_updated = now() + interval '5 minutes', _version_vector = jsonb_build_object('eu', (extract(epoch from now() + interval '5 minutes') * 1000000)::int8) where id = ${other}`;
      await late.begin();
      await late.run(`insert into ranked values (${other}, 'us')`);
      await exchanged();
      await late.commit();
      await us.settle();
      const [logged] = await linesOf('public.ranked', other);
      assert.deepEqual(
        logged?.map(({ kind, rule, review, loser, winner }) => [kind, rule, review, loser.image?.v, winner.kind]),
        [['delete_origin_differs', 'priority', 'alert', 'us', 'tombstone']],
      );
      assert.ok(key);
    });

    test('statistics: what is logged counts once, replays do not', async () => {
      const operator = operators[2] as Sql;
      const key = ++id;
      await write(us, `insert into plain values (${key}, 'us')`);
      await write(eu, `insert into plain values (${key}, 'eu')`);
      const lost = await localVersions(us.sql, 'public.plain', `id = ${key}`);
      await exchanged();
      const statistics = () => conflictStatistics(operator, 'public.plain');
      const before = await statistics();
      const counts = await countConflicts(operator, { table: 'public.plain' });
      assert.ok(counts.logged > 0);
      assert.equal(
        before.reduce((sum, { logged }) => sum + logged, 0),
        counts.logged,
      );
      assert.deepEqual(
        before.map(({ total }) => total),
        before.map(({ logged }) => logged),
      );
      for (let replay = 0; replay < 2; replay++) await ap.receive('us', ...lost);
      assert.deepEqual(await statistics(), before);
    });

    test('filters and pages', async () => {
      const operator = operators[0] as Sql;
      const all = (await listConflicts(operator, { limit: 1000 })).conflicts;
      assert.deepEqual(
        all,
        all.toSorted((a, b) => (`${a.loggedAt} ${a.id}` < `${b.loggedAt} ${b.id}` ? 1 : -1)),
      );
      const filters: [ConflictFilter, (line: ConflictLine) => boolean][] = [
        [{ table: 'public.plain' }, ({ table }) => table === 'public.plain'],
        [{ kind: 'insert_exists' }, ({ kind }) => kind === 'insert_exists'],
        [{ region: 'eu' }, ({ loser }) => loser.region === 'eu'],
        [{ state: 'open' }, ({ state }) => state === 'open'],
        [
          { since: new Date(all[2]?.loggedAt ?? 0) },
          ({ loggedAt }) => loggedAt.slice(0, 23) >= (all[2]?.loggedAt ?? '').slice(0, 23),
        ],
        [
          { table: 'public.merged', state: 'open' },
          ({ table, state }) => table === 'public.merged' && state === 'open',
        ],
      ];
      for (const [filter, matches] of filters) {
        const { conflicts } = await listConflicts(operator, { filter, limit: 1000 });
        assert.deepEqual(conflicts, all.filter(matches), JSON.stringify(filter));
        assert.ok(conflicts.length > 0 && conflicts.length < all.length, JSON.stringify(filter));
        const counts = await countConflicts(operator, filter);
        assert.equal(
          Object.values(counts).reduce((a, b) => a + b),
          conflicts.length,
        );
      }
      const paged: ConflictLine[] = [];
      for (let after: string | undefined; ; ) {
        const page = await listConflicts(operator, { limit: 3, after });
        paged.push(...page.conflicts);
        after = page.next;
        if (after === undefined) break;
      }
      assert.deepEqual(paged, all);
      await assert.rejects(listConflicts(operator, { after: 'nonsense' }), Refused);
    });
  });
