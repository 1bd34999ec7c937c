import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Report } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { openConnection } from '../../local/region/connection.ts';
import { makeTemplate } from '../../local/region/template.ts';
import { type Regions, startRegions } from '../../local/region.ts';
import { type Random, randomFrom } from '../simulation/random.ts';
import { until } from '../support/capture.ts';
import { type Damageable, type Damaged, damageAtRandom } from '../support/damage.ts';

/*
 * I13: k differences of every kind in a large table while every region writes: exactly those are found, none is invented, and after
 * the repair all regions match. CONCORD_SEED repeats a run's damage; the writes meet it as chance has it.
 */
const NAMES = ['us-east-1', 'eu-west-1', 'ap-south-1'];
const ROWS = 50_000;
const LIVE = 48_000;
/** Of a client, so that three of them leave time for the runs. */
const THINK_TIME_MS = 5;
/** Of each round; those of earlier rounds have been collected since. */
const DEAD = 1000;
const used = new Set<number>();
/** The clients write above the ground, and below the keys that nobody has. */
const WRITTEN = { from: 200_000, to: 210_000 };
const SEED = Number(process.env.CONCORD_SEED ?? Date.now() % 1_000_000);
const SCHEMA = `create table items (id int primary key, label text not null, amount numeric, note text);
  insert into items select n, 'label ' || n, n * 1.50, case when n % 3 > 0 then 'note ' || n end from generate_series(1, ${ROWS}) n`;

let regions: Regions;
let sql: Sql[];
let load: { stop(): Promise<number> };

before(async () => {
  const { template } = await makeTemplate({ database: 'shop', load: (db) => db.unsafe(SCHEMA).simple() });
  regions = await startRegions({ regions: NAMES, template, tables: ['public.items'] });
  await template.remove();
  sql = regions.all.map(({ url }) => openConnection(url()));
  // Half of the rows are versions of some region, the others are as they were before enrolment.
  await Promise.all(
    sql.map((db, slot) => db.unsafe('update items set amount = amount + 1 where id % 6 = 2 * $1::int', [slot])),
  );
  await regions.drained();
});
after(async () => {
  await load?.stop();
  await Promise.all(sql.map((db) => db.end({ timeout: 1 })));
  await regions.stop();
});

/** Everybody inserts, updates and deletes the same keys until it is stopped; how many statements there were. */
function everybodyWrites(random: Random): { stop(): Promise<number> } {
  let [isOver, writes] = [false, 0];
  const write = (db: Sql): Promise<unknown> => {
    const id = random.between(WRITTEN.from, WRITTEN.to);
    const what = random.below(10);
    if (what < 6)
      return db.unsafe(
        `insert into items values ($1::int, 'written', $2::int, null) on conflict (id) do update set amount = excluded.amount`,
        [id, random.below(1000)],
      );
    return what < 8
      ? db.unsafe(`update items set note = 'touched' where id between $1::int and $1::int + 5`, [id])
      : db.unsafe('delete from items where id = $1::int', [id]);
  };
  const client = async (url: string): Promise<void> => {
    const db = openConnection(url);
    for (; !isOver; writes++) {
      await write(db).catch(unlessDeadlock);
      await delay(THINK_TIME_MS);
    }
    await db.end({ timeout: 1 });
  };
  const clients = regions.all.map(({ url }) => client(url()));
  return {
    stop: async () => {
      isOver = true;
      await Promise.all(clients);
      return writes;
    },
  };
}

const unlessDeadlock = (error: { code?: string }): void => {
  if (error.code !== '40P01') throw error;
};

const tombstones = async (keys: readonly [number, number]): Promise<number> => {
  const counts = await Promise.all(
    sql.map((db) => db.unsafe('select from concord_public.items where id between $1::int and $2::int', [...keys])),
  );
  return counts.reduce((sum, { count }) => sum + count, 0);
};

/** Waits until every region has announced that all it wrote up to then has committed: a run compares no later versions. */
const closedSince = (ms: number): Promise<void> =>
  until(async () => {
    const closed = await Promise.all(
      sql.map((db) =>
        db.unsafe('select from concord.heartbeat where closed_at > to_timestamp($1::float8 / 1000)', [ms]),
      ),
    );
    return closed.every(({ count }) => count > 0);
  });

const found = ({ tables }: Report): string[] =>
  tables.flatMap(({ differences }) =>
    differences.filter(({ verdict }) => verdict !== 'in_flight').map(({ key, verdict }) => `${key} ${verdict}`),
  );

const expected = (damaged: readonly Damaged[]): string[] => damaged.map(({ key, verdict }) => `${key} ${verdict}`);

describe(`reconciliation under load, seed ${SEED}`, () => {
  const random = randomFrom(SEED);

  test('finds nothing while nothing is wrong', async () => {
    load = everybodyWrites(random);
    for (let run = 0; run < 2; run++) assert.deepEqual(found(await regions.reconcile({ mode: 'full' })), []);
  });

  for (const [round, count] of [7, 200].entries())
    test(`finds exactly ${count} differences of all kinds, repairs them, and then matches`, async () => {
      const places = regions.all.map(({ name }, index) => ({ name, sql: sql[index] as Sql }));
      const dead = [LIVE + 1 + round * DEAD, LIVE + (round + 1) * DEAD] as const;
      await sql[round]?.unsafe('delete from items where id between $1::int and $2::int', [...dead]);
      await until(async () => (await tombstones(dead)) === DEAD * NAMES.length);
      await closedSince(Date.now());
      const ground = { live: LIVE, dead, used };
      const damaged = await damageAtRandom(places as [Damageable, ...Damageable[]], ground, count, random);
      const first = await regions.reconcile({ mode: 'full' });
      assert.deepEqual(found(first).sort(), expected(damaged).sort());
      const repaired = await regions.reconcile({ mode: 'full', repair: true });
      assert.deepEqual(found(repaired).sort(), expected(damaged).sort());
      const [table] = repaired.tables;
      assert.ok(
        ['match', 'in_flight'].includes(table?.after?.verdict ?? ''),
        `round ${round}: ${table?.after?.verdict}`,
      );
      assert.deepEqual(found(await regions.reconcile({ mode: 'full' })), []);
    });

  test('in the end all regions hold the same', async () => {
    assert.ok((await load.stop()) > 100);
    await regions.drained();
    const { equal, differences } = await regions.compare();
    assert.ok(equal, differences.join('\n'));
    // What was just written is in flight until every region has announced a later closed timestamp.
    await until(async () => (await regions.reconcile({ mode: 'full' })).verdict === 'match');
  });
});
