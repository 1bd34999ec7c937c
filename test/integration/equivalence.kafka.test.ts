import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { isHeartbeat, type KafkaRecord, partitionOf } from '@concord/events';
import { type CapturedRecord, startCapture } from '../../local/capture/capture.ts';
import { randomFrom } from '../simulation/random.ts';
import { closeEnvironments, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { useDebezium } from '../support/debezium.ts';
import { captureByDebezium, lambdaRecord } from '../support/debezium-capture.ts';
import { addColumnTypes, type Captured, type ColumnTypes, compareCaptures } from '../support/event-pairs.ts';
import { kafkaOrSkip } from '../support/kafka.ts';
import { deliverAll, shuffled } from '../support/payloads.ts';
import { foreignVersions, PHASES, WORKLOAD_KEYS, WORKLOAD_SCHEMA } from '../support/recorded-workload.ts';
import { kafkaRecord } from '../support/records.ts';
import { createRegion, type Region, type RegionOptions } from '../support/regions.ts';
import { greatest, readVersions } from '../support/states.ts';

const SEED = 20_261_121;
const [HERE, OTHER] = ['equal-here', 'equal-other'];
const OPTIONS: RegionOptions = {
  names: [HERE, OTHER, 'equal-1', 'equal-2', 'equal-3'],
  schema: WORKLOAD_SCHEMA,
  tables: Object.keys(WORKLOAD_KEYS),
};

closeEnvironments();
const debezium = useDebezium();

const textOf = (base64: string | null | undefined): string => Buffer.from(base64 ?? '', 'base64').toString();
const captured = ({ key, value, partition }: KafkaRecord): Captured => ({
  key: JSON.parse(textOf(key)),
  event: JSON.parse(textOf(value)),
  partition,
});

/** What `docs/types.md` says is spelled differently: the first column of the table under the heading `Spelling`. */
function documentedDifferences(): string[] {
  const text = readFileSync(new URL('../../docs/types.md', import.meta.url), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith('Spelling')) ?? '';
  return [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name ?? '').toSorted();
}

describe('one workload through the embedded capture and through Debezium', { skip: kafkaOrSkip() }, () => {
  const stops: (() => Promise<void>)[] = [];
  after(async () => {
    for (const stop of stops) await stop();
  });
  const [newest, oldest] = [useCluster('18'), useCluster('15')];
  const types: ColumnTypes = new Map();
  /** Where each phase ends, as positions in the log. */
  const ends: number[] = [];
  let source: Region;
  let fromEmbedded: KafkaRecord[] = [];
  let fromDebezium: KafkaRecord[] = [];

  before(async () => {
    source = await createRegion(await newest(), OPTIONS);
    const real = await captureByDebezium(await debezium(), source);
    stops.push(real.stop);
    const appended: CapturedRecord[] = [];
    const embedded = await startCapture({
      address: source.database.url('concord_capture'),
      region: HERE,
      slot: 'equal_embedded',
      publication: 'concord',
      append: (records) => void appended.push(...records),
      onError: (error) => assert.fail(error as Error),
    });
    stops.push(embedded.stop);
    for (const { ddl, write } of PHASES) {
      await source.sql.unsafe(ddl);
      await addColumnTypes(source.sql, types);
      await write(source, OTHER);
      ends.push(await position());
    }
    fromDebezium = (await real.records()).map((record) => lambdaRecord(HERE, record));
    await embedded.caughtUpTo(await lsn());
    fromEmbedded = appended.map(inPartition).filter((record) => !isHeartbeat(record));
  });

  async function lsn(): Promise<string> {
    const [row] = await source.sql<{ lsn: string }[]>`select pg_current_wal_lsn()::text as lsn`;
    return row?.lsn ?? '';
  }
  async function position(): Promise<number> {
    const [row] = await source.sql<{ bytes: string }[]>`select pg_current_wal_insert_lsn() - '0/0' as bytes`;
    return Number(row?.bytes);
  }
  const inPartition = ({ key, value }: CapturedRecord): KafkaRecord =>
    kafkaRecord(HERE, { key, value }, { partition: partitionOf(key, source.topology.topics.partitions) });

  /** Applies a stream phase by phase, the schema of each before it, and what the other region wrote. */
  async function replay(
    at: Region,
    records: readonly KafkaRecord[],
    order = (part: KafkaRecord[]) => part,
  ): Promise<void> {
    for (const [phase, { ddl }] of PHASES.entries()) {
      await at.sql.unsafe(ddl);
      // One that has run would hold rows with renamed columns back until it reads the catalogue again.
      const environment = environmentOf(at);
      if (phase === 0) await environment.deliver(foreignVersions(OTHER).map((message) => kafkaRecord(OTHER, message)));
      const [from, to] = [ends[phase - 1] ?? 0, ends[phase] ?? 0];
      const part = records.filter((record) => {
        const at = Number(captured(record).event.__lsn);
        return at > from && at <= to;
      });
      assert.ok(part.length > 0);
      await deliverAll(environment, order(part));
      assert.deepEqual(environment.warnings, []);
    }
  }

  async function assertSameState(at: Region): Promise<void> {
    assert.deepEqual([...(await at.sql`select reason, error from concord.parked`)], []);
    const [there, here] = await Promise.all([at, source].map(({ sql }) => readVersions(sql, WORKLOAD_KEYS)));
    assert.deepEqual(greatest(there!), greatest(here!));
  }

  test('the same events in the same order; what is spelled differently stands in docs/types.md', async (t) => {
    const [ours, theirs] = [fromEmbedded.map(captured), fromDebezium.map(captured)];
    t.diagnostic(`${ours.length} events`);
    const differences = await compareCaptures(source.sql, types, ours, theirs);
    t.diagnostic(`spelled differently: ${differences.join(', ')}`);
    assert.deepEqual(differences, documentedDifferences());
  });

  test('no applied row is among them', () => {
    for (const { event } of [...fromEmbedded, ...fromDebezium].map(captured)) {
      assert.equal(event._source_region, HERE);
      assert.ok(event.__t !== 'items' || event.id !== '200');
    }
  });

  test('the embedded capture carries the source to another region', async () => {
    const region = await createRegion(await newest(), OPTIONS, 'equal-1');
    await replay(region, fromEmbedded);
    await assertSameState(region);
  });

  test('Debezium carries it, its partitions in any order', async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const random = randomFrom(SEED);
    const region = await createRegion(await newest(), OPTIONS, 'equal-2');
    await replay(region, fromDebezium, (part) => shuffled(part, random));
    await assertSameState(region);
  });

  test('Debezium carries it from PostgreSQL 18 to 15', async () => {
    const region = await createRegion(await oldest(), OPTIONS, 'equal-3');
    await replay(region, fromDebezium);
    await assertSameState(region);
  });
});
