import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { connect, type Sql } from '@concord/runtime';
import { notePeers } from '../../functions/apply/peers.ts';
import { beat, heartbeatRecord } from '../support/beats.ts';
import { useCluster } from '../support/cluster.ts';
import { createRegion, type Region } from '../support/regions.ts';

const OPTIONS = {
  names: ['us', 'eu'],
  schema: 'create table t (id bigint primary key)',
  tables: ['public.t'],
} as const;

const suspendedOf = async (sql: Sql): Promise<string | null> =>
  (await sql<{ suspended: string | null }[]>`select suspended from concord.region`)[0]?.suspended ?? null;

describe('a database that was restored', { timeout: 60_000 }, () => {
  const cluster = useCluster();
  let [us, eu]: (Region | undefined)[] = [];
  let restored: Sql;
  after(() => restored?.end({ timeout: 1 }));

  test('from a copy of two heartbeats ago is suspended by what others have heard, also once it has caught up in numbers', async () => {
    us = await createRegion(await cluster(), OPTIONS);
    eu = await createRegion(await cluster(), OPTIONS, 'eu');
    const hear = async (to: Sql, from: Pick<Region, 'name' | 'sql'>): Promise<void> =>
      notePeers(to, [await heartbeatRecord(from, { partition: 0, offset: 0 })]);
    await beat(us.sql);
    await hear(eu.sql, us);
    await us.database.close();
    const admin = eu.database.connect();
    await admin.unsafe(`create database us_restored template "${us.database.name}"`);
    const lost = us.database.connect();
    await beat(lost);
    await beat(lost);
    await hear(eu.sql, { name: 'us', sql: lost });
    await beat(eu.sql);
    restored = connect({ url: (await cluster()).url('us_restored') });
    for (let n = 0; n < 4; n++) {
      await beat(restored);
      await restored`update concord.region set suspended = null`;
      await hear(restored, eu);
      assert.match(
        (await suspendedOf(restored)) ?? '',
        /^eu has heard heartbeat 3 of us, /,
        `${n + 1} heartbeats later`,
      );
    }
    assert.equal(await suspendedOf(lost), null);
    await hear(lost, eu);
    assert.equal(await suspendedOf(lost), null, 'the one that was heard goes on');
  });
});
