import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import { groupOf, isHeartbeatKey, topicOf } from '@concord/events';
import { kafkaCarrier } from '../../local/carrier/kafka.ts';
import { withAdmin } from '../../local/kafka/topics.ts';
import { makeTemplate } from '../../local/region/template.ts';
import { type Regions, startRegions } from '../../local/region.ts';
import { type Accounting, accountingOf } from './accounting.ts';
import { type Acknowledged, acknowledgedWrites } from './acknowledged.ts';
import { type Debezium, readTopic, useDebezium } from './debezium.ts';
import { ITEMS, type Load, startLoad } from './under-load.ts';

/** Live regions over the Kafka of this run, and what their clients were told. */
export type KafkaRegions = {
  readonly regions: Regions;
  readonly debezium: Debezium;
  readonly acknowledged: Acknowledged;
  readonly accounting: Accounting;
  /** What regions and brokers' clients warned of. */
  readonly warnings: string[];
  /** Starts clients in all regions. */
  readonly load: () => Load;
};

/** Starts the regions with table `items` at the first call; what they made in Kafka is removed at the end of the file. */
export function useKafkaRegions(names: readonly string[]): () => Promise<KafkaRegions> {
  let starting: Promise<KafkaRegions> | undefined;
  const loads: Load[] = [];
  after(async () => {
    const { regions, debezium } = (await starting) ?? {};
    if (regions === undefined || debezium === undefined) return;
    // A test that failed has left its clients behind, and has told of its own error.
    await Promise.allSettled(loads.map((load) => load.stop()));
    await regions.stop();
    await withAdmin(debezium.kafka, async (admin) => {
      await admin.deleteTopics({ topics: names.map(topicOf) });
      await admin.deleteGroups(
        names.flatMap((into) => names.filter((from) => from !== into).map((from) => groupOf(from, into))),
      );
    });
  });
  // Registered after the above, so that the Connect worker is still there when the regions remove their connectors.
  const debezium = useDebezium();
  return () => {
    starting ??= start(names, debezium, loads);
    return starting;
  };
}

async function start(
  names: readonly string[],
  debezium: () => Promise<Debezium>,
  loads: Load[],
): Promise<KafkaRegions> {
  const { template } = await makeTemplate({ database: 'shop', load: (db) => db.unsafe(ITEMS).simple() });
  const real = await debezium();
  const regions = await startRegions({
    regions: names,
    template,
    tables: ['public.items'],
    carrier: kafkaCarrier(real.place),
    onWarning: (message) => void real.warnings.push(message),
  });
  await template.remove();
  const acknowledged = acknowledgedWrites();
  return {
    ...{ regions, debezium: real, acknowledged, accounting: accountingOf(regions), warnings: real.warnings },
    load: () => {
      const load = startLoad(regions.all, acknowledged, loads.length);
      loads.push(load);
      return load;
    },
  };
}

/**
 * All regions are equal, every acknowledged write or something newer stands in each, and the ledgers balance. Tells how long
 * the regions took to get there, and which links were given records twice.
 */
export async function assertWhole(
  t: TestContext,
  { regions, acknowledged, accounting }: KafkaRegions,
): Promise<Readonly<Record<string, number>>> {
  const beganAtMs = performance.now();
  await regions.drained();
  t.diagnostic(`caught up after ${((performance.now() - beganAtMs) / 1000).toFixed(1)} s`);
  const { equal, differences } = await regions.compare();
  assert.ok(equal, differences.join('\n'));
  assert.deepEqual(await acknowledged.missing(regions.all), [], 'acknowledged writes that do not stand');
  const { beyond, unbalanced } = await accounting.check();
  assert.deepEqual(unbalanced, [], 'partitions whose outcomes do not add up to what they received');
  t.diagnostic(`${acknowledged.keys()} keys; received beyond the topics: ${JSON.stringify(beyond)}`);
  return beyond;
}

/** Nothing is parked anywhere. */
export async function assertNothingParked({ regions }: KafkaRegions): Promise<void> {
  const accounts = await regions.accounts();
  assert.deepEqual(
    accounts.map(({ parked }) => parked),
    accounts.map(() => ({})),
  );
}

/** Records of a region's topic that bring a source position again. */
export async function duplicatesIn({ debezium }: KafkaRegions, region: string): Promise<number> {
  const positions = new Set<string>();
  let duplicates = 0;
  for (const { key, value } of await readTopic(debezium.kafka, topicOf(region))) {
    if (isHeartbeatKey(key) || value === null) continue;
    const { __lsn: lsn } = JSON.parse(value.toString('utf8')) as { readonly __lsn: number };
    const position = `${lsn} ${key}`;
    if (positions.has(position)) duplicates++;
    positions.add(position);
  }
  return duplicates;
}
