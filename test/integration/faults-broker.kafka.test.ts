import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { formatStamp, parseStamp } from '@concord/conflict';
import { changeKey, groupOf, isHeartbeatKey, topicOf } from '@concord/events';
import { topicSettings } from '../../connector/topics.ts';
import { readStatus } from '../../functions/status/status.ts';
import { createTopics, deleteTopic, withAdmin } from '../../local/kafka/topics.ts';
import { withConnection } from '../../local/region/connection.ts';
import type { Region } from '../../local/region.ts';
import { readTopic } from '../support/debezium.ts';
import { kafkaOrSkip } from '../support/kafka.ts';
import {
  assertNothingParked,
  assertWhole,
  duplicatesIn,
  type KafkaRegions,
  useKafkaRegions,
} from '../support/kafka-regions.ts';
import { deliveredUntilUs, publishAgain } from '../support/replace-slot.ts';

const NAMES = ['fault-broker-a', 'fault-broker-b', 'fault-broker-c'] as const;
const [A, B, C] = NAMES;
const ready = useKafkaRegions(NAMES);

const linkOf = ({ regions }: KafkaRegions, into: string, from: string) => {
  const link = regions.links.find((one) => one.into === into && one.from === from);
  assert.ok(link);
  return link;
};

const readRows = (region: Region, query: string): Promise<readonly unknown[]> =>
  withConnection(region.url(), async (sql) => [...(await sql.unsafe(query))]);

describe('the broker under load', { skip: kafkaOrSkip() }, () => {
  const outages: [what: string, signal: 'SIGKILL' | 'SIGTERM', changesMeanwhile: number][] = [
    ['is killed and comes back', 'SIGKILL', 100],
    ['is away for some seconds', 'SIGTERM', 800],
  ];
  for (const [what, signal, changesMeanwhile] of outages)
    test(what, async (t: TestContext) => {
      const own = await ready();
      const { broker } = own.debezium;
      const load = own.load();
      await load.written(500);
      await broker.kill(signal);
      const beganAtMs = performance.now();
      await load.written(changesMeanwhile).finally(broker.start);
      t.diagnostic(`away for ${((performance.now() - beganAtMs) / 1000).toFixed(1)} s`);
      await load.written(300);
      await load.stop();
      assert.deepEqual(await assertWhole(t, own), {});
      await assertNothingParked(own);
      t.diagnostic(`${load.changes()} changes, ${await duplicatesIn(own, A)} duplicates in the topic of ${A}`);
    });
});

/** Rows and tombstones with where they lie on disk: none of it moves when nothing is written. */
const STORED = [
  'select ctid::text, xmin::text, i.* from items i order by id',
  'select ctid::text, xmin::text, i.* from concord_public.items i order by id',
] as const;

type Loser = { readonly id: string; readonly key: string; readonly stamp: string; readonly region: string };

/** The conflicts that some region has logged: which ones each of them has depends on the order in which it heard of them. */
async function conflictsOf({ regions }: KafkaRegions): Promise<ReadonlyMap<string, Loser>> {
  const query = `select id, key ->> 0 as key, (extract(epoch from loser_stamp) * 1000000)::int8::text as stamp,
    loser_region as region from concord.conflict`;
  const logs = await Promise.all(regions.all.map((region) => readRows(region, query)));
  return new Map((logs.flat() as Loser[]).map((loser) => [loser.id, loser]));
}

/** Of every key the newest version in the topic of A. */
async function newestIn({ debezium }: KafkaRegions): Promise<ReadonlyMap<string, number>> {
  const newest = new Map<string, number>();
  for (const { key, value } of await readTopic(debezium.kafka, topicOf(A))) {
    if (isHeartbeatKey(key) || value === null) continue;
    const { id, _last_updated: text } = JSON.parse(value.toString('utf8')) as { id: string; _last_updated: string };
    newest.set(id, Math.max(newest.get(id) ?? 0, parseStamp(text) ?? 0));
  }
  return newest;
}

test('a lost consumer group: everything is read again, and nothing is written', { skip: kafkaOrSkip() }, async (t) => {
  const own = await ready();
  const { regions, accounting, debezium } = own;
  await regions.drained();
  const stored = () => Promise.all(STORED.map((query) => readRows(regions.named(B), query)));
  const [before, conflicts, changes] = [await stored(), await conflictsOf(own), await regions.carrier.changes(A)];
  const link = linkOf(own, B, A);
  await link.restart(() =>
    withAdmin(debezium.kafka, async (admin) => void (await admin.deleteGroups([groupOf(A, B)]))),
  );
  await link.mapping.drained();
  assert.ok(isDeepStrictEqual(await stored(), before), 'rows or tombstones were written');
  // A batch logs nothing of a version that a later one of the same batch follows; read apart, it may be a conflict of its own.
  const newest = await newestIn(own);
  const added = [...(await conflictsOf(own)).values()].filter(({ id }) => !conflicts.has(id));
  assert.deepEqual(
    added.filter(({ region, key, stamp }) => region !== A || Number(stamp) >= (newest.get(key) ?? 0)),
    [],
    'conflicts of versions that their own region has not overwritten',
  );
  assert.deepEqual(await assertWhole(t, own), { [`${A} to ${B}`]: changes });
  t.diagnostic(`${changes} changes were read again, ${added.length} conflicts of overwritten versions logged`);
  accounting.carry(B, A, changes);
});

/** Deletes the topic of A and makes it again; the ledgers remember what was received of it. */
async function makeTopicAnew({ regions, accounting, debezium }: KafkaRegions): Promise<void> {
  const [changes, { beyond }] = [await regions.carrier.changes(A), await accounting.check()];
  for (const into of [B, C]) accounting.carry(into, A, changes + (beyond[`${A} to ${into}`] ?? 0));
  await deleteTopic(debezium.kafka, topicOf(A));
  await createTopics(debezium.kafka, [topicSettings(regions.topology, A, { replicationFactor: 1 })]);
}

/** Everything that is committed in a region now is in its topic. */
const captured = ({ regions }: KafkaRegions, name: string): Promise<void> =>
  withConnection(regions.named(name).url(), async (sql) => {
    const [row] = await sql<{ lsn: string }[]>`select pg_current_wal_lsn()::text as lsn`;
    await regions.captures.get(name)?.caughtUpTo(row?.lsn ?? '');
  });

describe('the topic is deleted and created again', { skip: kafkaOrSkip() }, () => {
  test('when all was delivered: what is written afterwards arrives', async (t) => {
    const own = await ready();
    const { regions, warnings } = own;
    await regions.drained();
    warnings.length = 0;
    await makeTopicAnew(own);
    const load = own.load();
    await load.written(300);
    await load.stop();
    assert.deepEqual(await assertWhole(t, own), {});
    await assertNothingParked(own);
    assert.match(warnings.join('\n'), new RegExp(`topic ${topicOf(A)} has begun anew`));
  });

  test('when a region had not read all: that is lost from Kafka, and its watermark shows it', async (t) => {
    const own = await ready();
    const { regions, debezium, warnings } = own;
    await regions.drained();
    warnings.length = 0;
    const sinceUs = await deliveredUntilUs(debezium.connect.url, A);
    await linkOf(own, C, A).restart(async () => {
      await withConnection(
        regions.named(A).url(),
        (sql) => sql`insert into items select n, 'lost' from generate_series(5001, 5100) n`,
      );
      await captured(own, A);
      await linkOf(own, B, A).mapping.drained();
      await makeTopicAnew(own);
      assert.ok(
        (await standing(own, C)).some(({ next, end }) => next > end),
        'C stands behind the end of the topic',
      );
    });
    await regions.drained();
    const { equal, differences } = await regions.compare();
    assert.equal(equal, false);
    assert.match(differences.join('\n'), /rows only in fault-broker-a/);
    t.diagnostic(`warnings: ${JSON.stringify(warnings)}`);
    await publishAgain(regions.named(A), sinceUs);
    assert.deepEqual(await assertWhole(t, own), {});
    await assertNothingParked(own);
  });
});

/** Of each partition of the topic of A: where `into` stands by its own watermark, and where the topic ends. */
async function standing({ regions, debezium }: KafkaRegions, into: string) {
  const ends = await withAdmin(debezium.kafka, (admin) => admin.fetchTopicOffsets(topicOf(A)));
  const { partitions } = await withConnection(regions.named(into).url(), readStatus);
  return partitions
    .filter(({ topic }) => topic === topicOf(A))
    .map(({ partition, nextOffset }) => ({
      ...{ partition, next: nextOffset },
      end: Number(ends.find((one) => one.partition === partition)?.high),
    }));
}

const MIB = 1_048_576;

/** A row as the connector would write it. */
function message(change: Readonly<Record<string, unknown>> = {}) {
  const us = Date.now() * 1000;
  const value = {
    ...{ id: '9001', v: 'poison', _version: '1', _last_updated: formatStamp(us), _source_region: A, _tx_id: '1' },
    ...{ _version_vector: JSON.stringify({ [A]: us }), _local: 'true', __op: 'c', __t: 'items', __s: 'public' },
  };
  return { key: changeKey({ id: '9001' }, 'public.items'), value: JSON.stringify({ ...value, ...change }) };
}

test('poison under load is parked with its reason, and everything behind it arrives', {
  skip: kafkaOrSkip(),
}, async (t) => {
  const own = await ready();
  const { regions } = own;
  const poison: [reason: string, key: string | null, value: string | null][] = [
    ['not_json', 'poison', '{"id": 1, '],
    // What a connector without our converter would send.
    ['contract', message().key, message({ id: 9001, _version: 1, _local: true }).value],
    // As large as the topic takes.
    ['not_json', 'poison', 'x'.repeat(5 * MIB - 1000)],
    ['empty', message().key, null],
    ['bad_key', null, message({ id: null }).value],
  ];
  const load = own.load();
  await load.written(200);
  for (const [, key, value] of poison) {
    await regions.carrier.append(A, key, value);
    await load.written(50);
  }
  await load.stop();
  assert.deepEqual(await assertWhole(t, own), {});
  const expected = { not_json: 2, contract: 1, empty: 1, bad_key: 1 };
  const accounts = await regions.accounts();
  assert.deepEqual(
    accounts.map(({ parked }) => parked),
    [{}, expected, expected],
  );
});

test('a record without a key is applied like any other: its value has the key', { skip: kafkaOrSkip() }, async (t) => {
  const own = await ready();
  await own.regions.carrier.append(A, null, message({ id: '9002' }).value);
  await own.regions.drained();
  for (const into of [B, C])
    assert.deepEqual(await readRows(own.regions.named(into), 'select v from items where id = 9002'), [{ v: 'poison' }]);
  const { beyond } = await own.accounting.check();
  t.diagnostic(JSON.stringify(beyond));
  assert.deepEqual(beyond, {});
});
