import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { topicOf } from '@concord/events';
import { readStatus, type Status } from '../../functions/status/status.ts';
import { countChanges } from '../../local/carrier/count-changes.ts';
import { withAdmin } from '../../local/kafka/topics.ts';
import { compareRegions } from '../../local/region/compare.ts';
import { withConnection } from '../../local/region/connection.ts';
import type { Acknowledged } from './acknowledged.ts';
import { type Deployed, drained, say } from './deployed-system.ts';

export type Expected = {
  readonly tables: readonly string[];
  readonly acknowledged: Acknowledged;
  /** Records that were parked on purpose, by the region that received them. */
  readonly parked: ReadonlyMap<string, number>;
  /** Changes that came by another way than the mapping, by the region that received them. */
  readonly redriven: ReadonlyMap<string, number>;
  /** Whether an invocation may have died after its commit: its batch came again then, and was counted again. */
  readonly mayRepeat: boolean;
};

const POLL_MS = 100;

/** All regions are equal, every acknowledged write or something newer stands in each, and the books balance. */
export async function assertWhole(deployed: Deployed, expected: Expected): Promise<void> {
  const { databases, seen } = deployed;
  await drained(deployed);
  await Promise.all(databases.map(({ url }) => settled(url())));
  const { equal, differences, rows } = await compareRegions(databases, expected.tables);
  assert.ok(equal, differences.join('\n'));
  assert.deepEqual(await expected.acknowledged.missing(databases), [], 'acknowledged writes that do not stand');
  const beyond = await checkBooks(deployed, expected);
  await checkWatermarks(deployed);
  const [p50, p99] = [seen.lag.percentile(0.5), seen.lag.percentile(0.99)].map((ms) => `${ms?.toFixed(0)} ms`);
  say(
    `equal: ${rows} rows; commit → visible p50 ${p50}, p99 ${p99}; ${seen.invocations} invocations, up to ${seen.concurrency} at a time, ${seen.failed} failed; received again: ${beyond}`,
  );
}

/** Apply settles after each batch, and heartbeats are batches: nothing else has to be done for it. */
const settled = (url: string): Promise<void> =>
  withConnection(url, async (sql) => {
    for (;;) {
      const [row] = await sql<{ left: number }[]>`select count(*)::int as left from concord.unsettled`;
      if (row?.left === 0) return;
      await delay(POLL_MS);
    }
  });

const statusOf = (url: string): Promise<Status> => withConnection(url, readStatus);

/** Every change in a topic was received once by every other region, and has one outcome. Returns what was received again. */
async function checkBooks({ regions, database, kafka }: Deployed, expected: Expected): Promise<number> {
  let beyond = 0;
  const changes = new Map<string, number>();
  for (const region of regions) changes.set(region, await countChanges(kafka.admin, topicOf(region)));
  for (const into of regions) {
    const { partitions, parked } = await statusOf(database(into).url());
    const unbalanced = partitions.filter(({ balanced }) => !balanced);
    assert.deepEqual(unbalanced, [], `${into}: outcomes do not add up to what was received`);
    const received = partitions.reduce((sum, partition) => sum + partition.received, 0);
    const sent = regions.filter((from) => from !== into).reduce((sum, from) => sum + (changes.get(from) ?? 0), 0);
    const more = received + (expected.redriven.get(into) ?? 0) - sent;
    assert.ok(more === 0 || (expected.mayRepeat && more > 0), `${into}: ${received} received of ${sent} sent`);
    beyond += more;
    const count = parked.reduce((sum, entry) => sum + entry.count, 0);
    assert.equal(count, expected.parked.get(into) ?? 0, `${into}: parked ${JSON.stringify(parked)}`);
  }
  return beyond;
}

/** The watermark of each partition stands where its consumer group stands, or is on its way there. */
async function checkWatermarks({ regions, database, kafka }: Deployed): Promise<void> {
  for (const into of regions)
    for (const from of regions.filter((name) => name !== into)) {
      const ends = async (): Promise<Map<number, number>> => {
        const offsets = await withAdmin(kafka.admin, (admin) => admin.fetchTopicOffsets(topicOf(from)));
        return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]));
      };
      const least = await ends();
      for (;;) {
        const { partitions } = await statusOf(database(into).url());
        const marks = partitions.filter(({ topic }) => topic === topicOf(from));
        const greatest = await ends();
        assert.equal(marks.length, least.size, `${into}: a watermark for each partition of ${topicOf(from)}`);
        for (const { partition, nextOffset } of marks)
          assert.ok(nextOffset <= (greatest.get(partition) ?? 0), `${into}: watermark ${nextOffset} of ${partition}`);
        if (marks.every(({ partition, nextOffset }) => nextOffset >= (least.get(partition) ?? 0))) break;
        await delay(POLL_MS);
      }
    }
}
