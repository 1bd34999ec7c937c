import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type RepairVersion, repairEvent } from '@concord/events';
import { recordsOf } from '@concord/runtime';
import { closeEnvironments } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { exchange } from '../support/exchange.ts';
import { minutesFromNow } from '../support/foreign.ts';
import { GATE_LIMITS, GATE_SCHEMA, GATE_TABLE } from '../support/gate.ts';
import { keyState } from '../support/key-state.ts';
import { kafkaEvent } from '../support/records.ts';
import { createRegions, type Region } from '../support/regions.ts';
import { damage, insteadOfStored, sendRepair } from '../support/repairing.ts';
import { lockWaiters, outcomeOf } from '../support/sessions.ts';
import { storedVersions } from '../support/stored-events.ts';
import { versionEvent } from '../support/versions.ts';

const ITEMS = 'public.items';

closeEnvironments();

for (const version of ['18', '15'] as const)
  describe(`repair while an application writes, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let ap: Region;
    before(async () => {
      const schema = `create table items (id bigint primary key, label text, amount int); ${GATE_SCHEMA}`;
      const options = { names: ['us-1', 'ap-1'], schema, tables: [ITEMS, GATE_TABLE], limits: GATE_LIMITS };
      [us, ap] = (await createRegions(await cluster(), options)) as [Region, Region];
    });

    /** Rows that both regions have by now. */
    async function rows(first: number, last: number): Promise<RepairVersion[]> {
      await us.sql.unsafe(
        `insert into items (id, label, amount) select n, 'us', 5 from generate_series(${first}, ${last}) n`,
      );
      await exchange([us, ap], ITEMS);
      return storedVersions(us.sql, ITEMS, `t.id between ${first} and ${last}`);
    }
    /** Repairs while a transaction of the application, which has just written, is open. */
    async function race(text: string, versions: readonly RepairVersion[]): Promise<void> {
      const session = ap.session();
      await session.begin();
      await session.run(text);
      const repaired = outcomeOf(sendRepair(ap, ITEMS, versions));
      await lockWaiters(ap.sql);
      await session.commit();
      assert.equal(await repaired, 'ok');
    }
    const labelOf = async (id: number): Promise<string | undefined> =>
      (await ap.sql.unsafe(`select label from items where id = ${id}`))[0]?.label;

    test('its insert stands', async () => {
      const page = await rows(1, 1);
      await damage(ap, 'delete from items where id = 1');
      await race(`insert into items (id, label) values (1, 'newer')`, page);
      assert.equal(await labelOf(1), 'newer');
    });

    test('its update stands, over an older row and over another content', async () => {
      const page = await rows(11, 12);
      await race(`update items set label = 'newer' where id = 11`, page.slice(0, 1));
      assert.equal(await labelOf(11), 'newer');
      await damage(ap, `update items set label = 'wrong' where id = 12`);
      const corrupt = await insteadOfStored(ap, ITEMS, page.slice(1));
      await race(`update items set label = 'newer' where id = 12`, corrupt);
      assert.equal(await labelOf(12), 'newer');
    });

    test('its delete stands', async () => {
      const page = await rows(21, 21);
      await damage(ap, `update items set label = 'wrong' where id = 21`);
      await race('delete from items where id = 21', await insteadOfStored(ap, ITEMS, page));
      assert.equal(await keyState(ap.sql, 21, ITEMS), 'tombstone');
    });

    test('its insert stands over a tombstone that was lost and comes back meanwhile', async () => {
      await rows(31, 31);
      await us.sql.unsafe('delete from items where id = 31');
      await exchange([us, ap], ITEMS);
      const page = await storedVersions(us.sql, ITEMS, 't.id = 31');
      await damage(ap, 'delete from concord_public.items where id = 31');
      const session = ap.session();
      await session.begin();
      await session.run(`insert into items (id, label) values (31, 'newer')`);
      await sendRepair(ap, ITEMS, page);
      await session.commit();
      await ap.afterBatch();
      assert.equal(await keyState(ap.sql, 31, ITEMS), 'row over tombstone');
    });

    test('a write that waits for a row which is written over finds it', async () => {
      const right = await rows(41, 41);
      await damage(ap, `update items set label = 'wrong' where id = 41`);
      const page = await insteadOfStored(ap, ITEMS, right);
      const gate = ap.session('postgres');
      await gate.begin();
      await gate.run('select from z_gate where id = 1 for update');
      const stamp = minutesFromNow(0);
      const event = versionEvent({ table: GATE_TABLE, region: 'us-1', stamp, key: { id: '1' }, columns: { v: 'x' } });
      const recordsFor = (table: string, versions: RepairVersion[]) =>
        recordsOf(repairEvent({ run: 'run-1', table, key: ['id'], versions }));
      const records = [...recordsFor(ITEMS, page), ...recordsFor(GATE_TABLE, [{ place: 'row', event }])];
      const repaired = outcomeOf(ap.apply(kafkaEvent(records)));
      await lockWaiters(ap.sql);
      const written = ap.session().run(`update items set amount = amount + 1 where id = 41 returning label, amount`);
      await lockWaiters(ap.sql, 2);
      await gate.commit();
      assert.equal(await repaired, 'ok');
      assert.deepEqual(
        (await written).map((row) => ({ ...row })),
        [{ label: 'us', amount: 6 }],
      );
    });
  });
