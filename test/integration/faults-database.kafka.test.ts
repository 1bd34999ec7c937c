import assert from 'node:assert/strict';
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { slotName } from '../../connector/names.ts';
import { copyDataDirectory } from '../../local/postgres/data-directory.ts';
import type { Region } from '../../local/region.ts';
import { problemsOf } from '../support/connector-problems.ts';
import { kafkaOrSkip } from '../support/kafka.ts';
import { assertNothingParked, assertWhole, type KafkaRegions, useKafkaRegions } from '../support/kafka-regions.ts';
import { replaceSlot, taskIn } from '../support/replace-slot.ts';

const NAMES = ['fault-database-a', 'fault-database-b'] as const;
const [A, B] = NAMES;
const ready = useKafkaRegions(NAMES);

/**
 * As `assertWhole`. Into a database that was away a batch may come twice: its commit stood, the answer was lost. Nowhere else.
 */
async function assertWholeAfter(t: TestContext, own: KafkaRegions): Promise<void> {
  const { [`${B} to ${A}`]: again = 0, ...others } = await assertWhole(t, own);
  assert.ok(again >= 0, `${-again} records were not received`);
  assert.deepEqual(others, {});
  own.accounting.carry(A, B, again);
  await assertNothingParked(own);
}

/** The server is gone while clients write everywhere, and comes back as `outage` leaves it. */
async function during(own: KafkaRegions, t: TestContext, outage: (region: Region) => Promise<void>): Promise<void> {
  const load = own.load();
  await load.written(400);
  await outage(own.regions.named(A));
  await load.written(400);
  await load.stop();
  t.diagnostic(`${load.changes()} changes, ${load.unanswered()} statements without an answer`);
}

/** What stands in for a failover by replicated storage: everything that the server had written, slots included, elsewhere. */
async function failOver({ cluster }: Region, alter: (dataDir: string) => void = () => undefined): Promise<void> {
  await cluster.stop();
  const former = `${cluster.dataDir}-former`;
  renameSync(cluster.dataDir, former);
  copyDataDirectory(former, cluster.dataDir);
  rmSync(former, { recursive: true });
  alter(cluster.dataDir);
  await cluster.restart();
}

describe('PostgreSQL restarts under load: connector and appliers come back by themselves', {
  skip: kafkaOrSkip(),
}, () => {
  const outages: [what: string, outage: (region: Region) => Promise<void>][] = [
    ['fast', ({ cluster }) => cluster.restart({ mode: 'fast' })],
    ['immediate', ({ cluster }) => cluster.restart({ mode: 'immediate' })],
    ['SIGKILL', ({ cluster }) => cluster.kill().then(() => cluster.restart())],
  ];
  for (const [what, outage] of outages)
    test(what, async (t) => {
      const own = await ready();
      await during(own, t, outage);
      await assertWholeAfter(t, own);
      await taskIn('RUNNING', own.debezium.connect.url, A);
    });
});

describe('a failover to a copy under load', { skip: kafkaOrSkip() }, () => {
  test('goes on where the slot in it stands', async (t) => {
    const own = await ready();
    await during(own, t, failOver);
    await assertWholeAfter(t, own);
    assert.equal(await problemsOf(own, A), '');
  });

  test('without the slots, as a base backup has it, is a lost slot: the connector fails', async (t) => {
    const own = await ready();
    const { url } = own.debezium.connect;
    await during(own, t, (region) =>
      failOver(region, (dataDir) => {
        const slots = join(dataDir, 'pg_replslot');
        assert.deepEqual(readdirSync(slots), [slotName(A)]);
        rmSync(join(slots, slotName(A)), { recursive: true });
      }),
    );
    assert.match((await taskIn('FAILED', url, A)).trace ?? '', /this is no longer available on the server/);
    assert.match(await problemsOf(own, A), new RegExp(`slot .*'${slotName(A)}' does not exist`));
    await assert.rejects(
      own.regions.drained(),
      /'concord-fault-database-a' failed|slot 'concord_fault_database_a' of .* is gone/,
    );
    await replaceSlot(url, own.regions.named(A));
    await assertWholeAfter(t, own);
    assert.equal(await problemsOf(own, A), '');
  });
});
