import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { enroll } from '../../functions/enroll/enroll.ts';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, minutesFromNow } from '../support/foreign.ts';
import { keyState, versionOf } from '../support/key-state.ts';
import { messagesOf, readPublished } from '../support/published.ts';
import { createRegions, type Region } from '../support/regions.ts';

const NAMES = ['hq', 'branch', 'kiosk'] as const;
const BONUS_MS = { hq: 60_000, branch: 20_000 };
const T = 'public.t';

for (const version of ['15', '18'] as const)
  describe(`priority of regions, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    const regions = new Map<string, Region>();
    const published = new Map<string, Awaited<ReturnType<typeof readPublished>>>();
    let id = 0;

    before(async () => {
      const all = await createRegions(await cluster(), {
        names: NAMES,
        schema: 'create table t (id bigint primary key, v text); create table plain (id bigint primary key, v text)',
        tables: [{ name: T, policy: 'priority' }, 'public.plain'],
        priority: BONUS_MS,
      });
      for (const region of all) {
        regions.set(region.name, region);
        published.set(region.name, await readPublished(region.sql, region.database.name));
      }
    });

    const at = (name: string): Region => regions.get(name) as Region;
    const run = (name: string, statement: string) => at(name).session().run(statement);

    /** Everything that was written goes everywhere. */
    async function exchange(): Promise<void> {
      for (const from of NAMES) {
        const messages = messagesOf((await published.get(from)?.()) ?? [], ['id']);
        for (const to of NAMES) if (to !== from) await at(to).receive(from, ...messages);
      }
    }

    const shown = (key: number): Promise<unknown[]> =>
      Promise.all(NAMES.map(async (name) => (await at(name).sql`select v from t where id = ${key}`)[0]?.v));

    for (const [name, bonusMs] of [
      ['hq', 60_000],
      ['branch', 20_000],
      ['kiosk', 0],
    ] as const)
      test(`stamps of rows and tombstones of ${name} are ${bonusMs} ms ahead, on this table only`, async () => {
        const key = ++id;
        await run(name, `insert into t values (${key}, 'x'); insert into plain values (${key}, 'x')`);
        const near = (aheadMs: number, expected: number): void =>
          assert.ok(Math.abs(aheadMs - expected) < 10_000, `${aheadMs} ms ahead`);
        near((await versionOf(at(name).sql, key)).aheadMs, bonusMs);
        near((await versionOf(at(name).sql, key, 'public.plain')).aheadMs, 0);
        await run(name, `delete from t where id = ${key}; delete from plain where id = ${key}`);
        near((await versionOf(at(name).sql, key, 'concord_public.t')).aheadMs, bonusMs);
        near((await versionOf(at(name).sql, key, 'concord_public.plain')).aheadMs, 0);
        await exchange();
      });

    test('of concurrent writes that of the region with the greatest bonus wins everywhere, though it came first', async () => {
      const key = ++id;
      for (const name of NAMES) await run(name, `insert into t values (${key}, 'of ${name}')`);
      await exchange();
      assert.deepEqual(await shown(key), ['of hq', 'of hq', 'of hq']);
    });

    test('a write that has seen the winner beats it, whatever its region', async () => {
      const key = ++id;
      await run('hq', `insert into t values (${key}, 'of hq')`);
      await exchange();
      await run('kiosk', `update t set v = 'of kiosk' where id = ${key}`);
      await exchange();
      assert.deepEqual(await shown(key), ['of kiosk', 'of kiosk', 'of kiosk']);
      await run('branch', `delete from t where id = ${key}`);
      await exchange();
      assert.deepEqual(await Promise.all(NAMES.map((name) => keyState(at(name).sql, key))), [
        'tombstone',
        'tombstone',
        'tombstone',
      ]);
    });

    test('the delete of a region with a bonus wins against a concurrent later update', async () => {
      const key = ++id;
      await run('kiosk', `insert into t values (${key}, 'x')`);
      await exchange();
      await run('hq', `delete from t where id = ${key}`);
      await run('kiosk', `update t set v = 'later' where id = ${key}`);
      await exchange();
      assert.deepEqual(await shown(key), [undefined, undefined, undefined]);
    });

    test('a write that is later by more than the bonus wins', async () => {
      const key = ++id;
      await run('hq', `insert into t values (${key}, 'of hq')`);
      const later = { region: 'kiosk', stamp: minutesFromNow(2) };
      await at('hq').receive('kiosk', foreignRow(T, { id: `${key}` }, { v: 'two minutes later' }, later));
      assert.equal((await at('hq').sql`select v from t where id = ${key}`)[0]?.v, 'two minutes later');
    });

    test('a changed bonus counts once the table is enrolled again, and waits for nobody', async () => {
      const { topology, sql } = at('branch');
      const changed = { ...topology, priority: { branch: 300_000 } };
      const { pending } = await enroll(sql, { topology: changed, region: 'branch', greatestIds: {} });
      assert.deepEqual(pending, []);
      const key = ++id;
      await run('branch', `insert into t values (${key}, 'x')`);
      assert.ok((await versionOf(sql, key)).aheadMs > 250_000);
      await at('branch').enroll();
    });
  });
