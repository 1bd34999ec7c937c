import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { statusText } from '../../cli/status.ts';
import { readStatus, type Status } from '../../functions/status/status.ts';
import { closeEnvironments, environmentOf } from '../support/appliers.ts';
import { beat, heartbeatRecord } from '../support/beats.ts';
import { useCluster } from '../support/cluster.ts';
import { createRegions, type Region } from '../support/regions.ts';

closeEnvironments();

const NO_FAULTS = { faults: [], unchecked: [] };

for (const version of ['15', '18'] as const)
  describe(`the status of a region tells of heartbeats, PostgreSQL ${version}`, { timeout: 60_000 }, () => {
    const cluster = useCluster(version);
    let [us, eu]: Region[] = [];
    before(async () => {
      [us, eu] = await createRegions(await cluster(), {
        names: ['us', 'eu'],
        schema: 'create table t (id bigint primary key)',
        tables: ['public.t'],
      });
    });
    const statusOf = (region: Region | undefined): Promise<Status> =>
      readStatus((region as Region).session('concord_operator').sql);
    const offsets = new Map<string, number>();
    const hear = async (to: Region | undefined, from: Region | undefined, skip = 0): Promise<void> => {
      const offset = (offsets.get(from?.name ?? '') ?? 0) + skip;
      offsets.set(from?.name ?? '', offset + 1);
      await environmentOf(to as Region).deliver([await heartbeatRecord(from as Region, { partition: 0, offset })]);
    };

    test('before the first', async () => {
      const status = await statusOf(us);
      assert.deepEqual(
        [status.closedMsAgo, [...status.peers], status.suspended, status.partitions],
        [null, [], null, []],
      );
      const text = statusText(status, NO_FAULTS);
      assert.match(text, /^no closed timestamp: nobody calls concord\.beat\(\)$/m);
      assert.match(text, /^no heartbeat of another region yet$/m);
    });

    test('how far behind an idle region is, and what was passed over', async () => {
      for (let n = 0; n < 2; n++) await beat((us as Region).sql);
      await hear(eu, us);
      const [first] = (await statusOf(eu)).partitions;
      assert.ok((first?.behindMs ?? 0) > 0 && (first?.behindMs ?? Infinity) < 60_000);
      const [second] = (await statusOf(eu)).partitions;
      assert.ok((second?.behindMs ?? 0) > (first?.behindMs ?? 0), 'it grows while nothing comes');
      await beat((us as Region).sql);
      await hear(eu, us, 4);
      const status = await statusOf(eu);
      assert.equal(status.partitions[0]?.missing, 4);
      assert.ok((status.partitions[0]?.behindMs ?? 0) > (second?.behindMs ?? 0), 'a gap holds it');
      assert.match(statusText(status, NO_FAULTS), /missing/);
      const closedMsAgo = (await statusOf(us)).closedMsAgo ?? 0;
      assert.ok(closedMsAgo > 0 && closedMsAgo < 60_000);
      assert.match(
        statusText(await statusOf(us), NO_FAULTS),
        /^all that was written here up to \d+ ms ago has committed$/m,
      );
    });

    test('how far the clock of another region is ahead, when each has heard the other', async () => {
      assert.equal((await statusOf(eu)).peers[0]?.aheadMs, null, 'us has not heard eu');
      const isWithin = (ahead: number, status: Status): void => {
        const [peer] = status.peers;
        const [aheadMs, withinMs] = [peer?.aheadMs ?? Number.NaN, peer?.withinMs ?? Number.NaN];
        assert.ok(
          withinMs > 0 && withinMs < 30_000 && Math.abs(aheadMs - ahead) <= withinMs,
          `${aheadMs} ± ${withinMs}`,
        );
      };
      await beat((eu as Region).sql);
      await hear(us, eu);
      await beat((us as Region).sql);
      await hear(eu, us);
      isWithin(0, await statusOf(eu));
      // As if the clock of eu had been an hour behind when it heard, and when it was heard.
      await (eu as Region).sql.unsafe(`update concord.peer set heard_at = heard_at - interval '1 hour',
        seen = jsonb_set(seen, '{eu,1}', to_jsonb((seen #>> '{eu,1}')::int8 - 3600000000))`);
      isWithin(3_600_000, await statusOf(eu));
      assert.match(statusText(await statusOf(eu), NO_FAULTS), /clock ahead ms/);
    });

    test('why a region takes no writes', async () => {
      await (us as Region).sql`update concord.region set suspended = 'eu has heard more'`;
      const status = await statusOf(us);
      assert.equal(status.suspended, 'eu has heard more');
      assert.match(statusText(status, NO_FAULTS), /^SUSPENDED, no local writes: eu has heard more$/m);
    });
  });
