import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaEvent } from '@concord/events';
import type { Kafka } from 'kafkajs';
import type { Broker } from '../../local/kafka/broker.ts';
import { kafkaClient } from '../../local/kafka/client.ts';
import { kafkaSource } from '../../local/kafka/source.ts';
import { createTopics, deleteTopic, withAdmin } from '../../local/kafka/topics.ts';
import {
  type Mapping,
  type MappingOptions,
  type Source,
  startMapping,
} from '../../local/mapping/event-source-mapping.ts';
import type { StartingPosition } from '../../local/mapping/source.ts';
import { kafkaOrSkip, useKafka } from '../support/kafka.ts';

const POLL_MS = 10;
const STOP_LIMIT_MS = 2000;
const MEGABYTE = 1_048_576;
const MAX_MESSAGE_BYTES = 8 * MEGABYTE;

type Seen = { readonly partition: number; readonly offset: number; readonly value: string };
type Reader = {
  readonly source: Source;
  readonly mapping: Mapping;
  /** What the function handled, in that order. */
  readonly seen: readonly Seen[];
  /** The offsets of one partition in the order in which they were handled. */
  readonly offsets: (partition: number) => number[];
  readonly values: () => string[];
  readonly warnings: readonly string[];
};
type ReaderOptions = Omit<Partial<MappingOptions>, 'source' | 'invoke'> & {
  readonly from?: StartingPosition;
  /** Runs before the records of an invocation count as handled. */
  readonly handle?: (records: readonly Seen[]) => Promise<void>;
};

const until = async (isTrue: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isTrue())) await delay(POLL_MS);
};
const upTo = (end: number, start = 0): number[] => Array.from({ length: end - start }, (_, i) => start + i);
/** What holds a function until it is opened, and tells when the function has come. */
const gate = () => {
  const [came, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const handle = (): Promise<void> => {
    came.resolve();
    return opened.promise;
  };
  return { entered: came.promise, open: () => opened.resolve(), handle };
};
const texts = (prefix: string, count: number): string[] => upTo(count).map((i) => `${prefix}${i}`);

const run = useKafka();

describe('a Kafka topic as the source of a mapping', { skip: kafkaOrSkip(), timeout: 300_000 }, () => {
  const mappings: Mapping[] = [];
  const topics: string[] = [];
  after(async () => {
    await Promise.all(mappings.map((mapping) => mapping.stop()));
    const kafka = await client();
    for (const topic of topics) await deleteTopic(kafka, topic);
  });

  const broker = async (): Promise<Broker> => (await run()).broker;
  const client = async (): Promise<Kafka> => kafkaClient({ bootstrap: (await broker()).bootstrap });

  async function createTopic(name: string, partitions: number): Promise<string> {
    const configs = { 'max.message.bytes': String(MAX_MESSAGE_BYTES) };
    await createTopics(await client(), [{ name, partitions, replicationFactor: 1, configs }]);
    if (!topics.includes(name)) topics.push(name);
    return name;
  }

  /** Deletes a topic and creates it again, as soon as the broker lets us. */
  async function recreate(name: string, partitions: number): Promise<void> {
    await deleteTopic(await client(), name);
    await until(async () => !(await withAdmin(await client(), (admin) => admin.listTopics())).includes(name));
    await createTopic(name, partitions);
  }

  async function write(topic: string, values: readonly (string | Buffer)[], partition = 0): Promise<void> {
    const producer = (await client()).producer({ allowAutoTopicCreation: false });
    await producer.connect();
    try {
      await producer.send({ topic, messages: values.map((value) => ({ value, partition })) });
    } finally {
      await producer.disconnect();
    }
  }

  /** A mapping whose function fails when two invocations hold one partition at the same time. */
  async function read(
    topic: string,
    { from = 'TRIM_HORIZON', handle, ...options }: ReaderOptions = {},
  ): Promise<Reader> {
    const warnings: string[] = [];
    const seen: Seen[] = [];
    const busy = new Set<number>();
    const kafka = kafkaClient({ bootstrap: (await broker()).bootstrap });
    const group = `group.${topic}`;
    const source = await kafkaSource({ kafka, topic, group, from, onWarning: (text) => warnings.push(text) });
    const invoke = async (event: KafkaEvent): Promise<void> => {
      const records = Object.values(event.records)
        .flat()
        .map(({ partition, offset, value }) => ({
          ...{ partition, offset },
          value: Buffer.from(value ?? '', 'base64').toString(),
        }));
      const held = new Set(records.map(({ partition }) => partition));
      assert.ok(!held.values().some((partition) => busy.has(partition)), 'two batches of one partition are under way');
      for (const partition of held) busy.add(partition);
      try {
        await handle?.(records);
        seen.push(...records);
      } finally {
        for (const partition of held) busy.delete(partition);
      }
    };
    const mapping = await startMapping({ source, invoke, retryDelay: { minMs: 20, maxMs: 100 }, ...options });
    mappings.push(mapping);
    const offsets = (partition: number): number[] =>
      seen.filter((record) => record.partition === partition).map(({ offset }) => offset);
    return { source, mapping, seen, offsets, values: () => seen.map(({ value }) => value), warnings };
  }

  const committed = async (topic: string): Promise<number[]> => {
    const groupId = `group.${topic}`;
    const [found] = await withAdmin(await client(), (admin) => admin.fetchOffsets({ groupId, topics: [topic] }));
    return (found?.partitions ?? []).sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
  };
  const promptly = async (mapping: Mapping): Promise<void> => {
    const startedAt = performance.now();
    await mapping.stop();
    const took = performance.now() - startedAt;
    assert.ok(took < STOP_LIMIT_MS, `stop took ${took.toFixed()} ms`);
  };

  test('everything once and in order, one batch of a partition at a time, and committed', async () => {
    const topic = await createTopic('source-load', 4);
    const [count, chunk] = [2500, 500];
    const { mapping, offsets, values } = await read(topic, { batchSize: 300 });
    const producing = upTo(4).map(async (partition) => {
      for (const start of upTo(count / chunk).map((i) => i * chunk))
        await write(topic, upTo(start + chunk, start).map(String), partition);
    });
    await Promise.all(producing);
    await mapping.drained();
    for (const partition of upTo(4)) assert.deepEqual(offsets(partition), upTo(count));
    assert.deepEqual(new Set(values()), new Set(upTo(count).map(String)));
    assert.equal(mapping.status().lagRecords, 0);
    assert.equal(mapping.status().retries, 0);
    assert.deepEqual(await committed(topic), [count, count, count, count]);
    await promptly(mapping);
  });

  test('what comes into an idle topic is there at once', async () => {
    const topic = await createTopic('source-latency', 1);
    const { mapping, seen } = await read(topic);
    const producer = (await client()).producer();
    await producer.connect();
    await producer.send({ topic, messages: [{ value: 'first' }] });
    await mapping.drained();
    const lags: number[] = [];
    for (let i = 0; i < 50; i++) {
      await producer.send({ topic, messages: [{ value: `${i}` }] });
      const sentAt = performance.now();
      await until(() => seen.length === i + 2);
      lags.push(performance.now() - sentAt);
    }
    await producer.disconnect();
    const median = lags.sort((a, b) => a - b)[25] ?? Infinity;
    assert.ok(median < 100, `${median.toFixed(1)} ms`);
    await mapping.stop();
  });

  test('records of more than 1 MB, and many of them in a row', async () => {
    const topic = await createTopic('source-large', 1);
    const sizes = [1.5, 7.9, 0.01, ...Array<number>(8).fill(3)].map((size) => Math.floor(size * MEGABYTE));
    const { mapping, seen } = await read(topic, { batchSize: 100 });
    for (const [index, size] of sizes.entries()) await write(topic, [Buffer.alloc(size, String(index % 10))]);
    await mapping.drained();
    assert.deepEqual(
      seen.map(({ value }) => value.length),
      sizes,
    );
    assert.ok(seen.every(({ value, offset }) => value === String(offset % 10).repeat(value.length)));
    await mapping.stop();
  });

  test('a source that nobody reads from stops to fetch, and goes on when somebody does', async () => {
    const topic = await createTopic('source-backpressure', 1);
    const count = 60;
    const { open, handle } = gate();
    const { mapping, source, offsets } = await read(topic, { batchSize: 1, handle });
    for (const index of upTo(count)) await write(topic, [Buffer.alloc(MEGABYTE, String(index % 10))]);
    assert.deepEqual(await source.ends(), new Map([[0, count]]));
    const before = process.memoryUsage().arrayBuffers;
    await delay(1000);
    assert.ok(process.memoryUsage().arrayBuffers - before < 32 * MEGABYTE, 'it reads what nobody asked for');
    open();
    await mapping.drained();
    assert.deepEqual(offsets(0), upTo(count));
    await mapping.stop();
  });

  test('the next mapping of the group goes on behind what was committed', async () => {
    const topic = await createTopic('source-resume', 2);
    await write(topic, texts('a', 40), 0);
    await write(topic, texts('b', 30), 1);
    const fail = async (records: readonly Seen[]): Promise<void> => {
      if (records.some(({ partition, offset }) => partition === 1 && offset >= 20)) throw new Error('not this one');
    };
    const first = await read(topic, { batchSize: 10, handle: fail });
    await until(() => first.offsets(0).length === 40 && first.offsets(1).length === 20);
    await first.mapping.stop();
    assert.deepEqual(await committed(topic), [40, 20]);
    await write(topic, texts('c', 5), 0);
    const second = await read(topic, { batchSize: 10 });
    await second.mapping.drained();
    assert.deepEqual(second.offsets(0), upTo(45, 40));
    assert.deepEqual(second.offsets(1), upTo(30, 20));
    await second.mapping.stop();
  });

  test('LATEST begins at the end that was there when its group was made, TRIM_HORIZON with everything', async () => {
    const topic = await createTopic('source-from', 1);
    await write(topic, ['old']);
    const first = await read(topic, { from: 'LATEST' });
    assert.equal(first.source.committed(0), 1);
    await until(async () => (await committed(topic))[0] === 1);
    await first.mapping.stop();
    assert.deepEqual(first.values(), []);
    await write(topic, ['meanwhile']);
    const second = await read(topic, { from: 'LATEST' });
    await second.mapping.drained();
    assert.deepEqual(second.values(), ['meanwhile']);
    await second.mapping.stop();
    await withAdmin(await client(), (admin) => admin.deleteGroups([`group.${topic}`]));
    const all = await read(topic, { from: 'TRIM_HORIZON' });
    await all.mapping.drained();
    assert.deepEqual(all.values(), ['old', 'meanwhile']);
    await all.mapping.stop();
  });

  for (const signal of ['SIGKILL', 'SIGTERM'] as const)
    test(`${signal} to the broker in the middle: nothing is lost, nothing comes twice`, async () => {
      const topic = await createTopic(`source-broker-${signal.toLowerCase()}`, 4);
      const count = 500;
      for (const partition of upTo(4)) await write(topic, texts(`${partition}.`, count), partition);
      const { mapping, seen, offsets } = await read(topic, { batchSize: 25, handle: () => delay(5) });
      await until(() => seen.length > count);
      const { kill, start } = await broker();
      await kill(signal);
      assert.ok(seen.length < 4 * count, 'the broker died too late');
      await start();
      for (const partition of upTo(4)) await write(topic, texts('after', 10), partition);
      await mapping.drained();
      for (const partition of upTo(4)) assert.deepEqual(offsets(partition), upTo(count + 10));
      await mapping.stop();
      assert.deepEqual(await committed(topic), Array(4).fill(count + 10));
    });

  test('stop is prompt while the broker is away, also when it is away for long', async () => {
    const topic = await createTopic('source-away', 1);
    await write(topic, ['one']);
    const [idle, waiting] = [await read(topic), await read(await createTopic('source-away-2', 1))];
    await idle.mapping.drained();
    const { kill, start } = await broker();
    await kill('SIGKILL');
    try {
      await promptly(idle.mapping);
      await delay(3000); // by now a consumer has noticed, and tries to come back
      await promptly(waiting.mapping);
    } finally {
      await start();
    }
    const again = await read(topic);
    await write(topic, ['two']);
    await again.mapping.drained();
    assert.deepEqual(again.values(), ['two']);
    await again.mapping.stop();
  });

  test('a commit that waits for the broker ends with the source, and its records come again', async () => {
    const topic = await createTopic('source-away-commit', 1);
    await write(topic, texts('a', 5));
    const { entered, open, handle } = gate();
    const { mapping, source, seen } = await read(topic, { handle });
    await entered;
    const { kill, start } = await broker();
    await kill('SIGKILL');
    try {
      open();
      await until(() => seen.length === 5);
      await source.stop();
      await promptly(mapping);
      assert.equal(source.committed(0), 0);
    } finally {
      await start();
    }
    const again = await read(topic);
    await again.mapping.drained();
    assert.deepEqual(again.values(), texts('a', 5));
    await again.mapping.stop();
  });

  for (const [what, count] of [
    ['shorter', 5],
    ['of the same length', 20],
    ['longer', 50],
  ] as const)
    test(`a topic that was deleted and created again is read from its beginning: ${what} than before`, async () => {
      const topic = await createTopic(`source-anew-${count}`, 2);
      await write(topic, texts('old', 20), 0);
      await write(topic, texts('old', 20), 1);
      const { mapping, values, warnings } = await read(topic, { batchSize: 10 });
      await mapping.drained();
      await recreate(topic, 2);
      await write(topic, texts('new', count), 0);
      await write(topic, texts('more', count), 1);
      await until(() => [...texts('new', count), ...texts('more', count)].every((text) => values().includes(text)));
      await mapping.drained();
      assert.ok(warnings.some((warning) => warning.includes(`topic ${topic} has begun anew`)));
      const news = values().filter((value) => value.startsWith('new'));
      assert.deepEqual(news.slice(-count), texts('new', count));
      await write(topic, ['last']);
      await until(() => values().includes('last'));
      await mapping.drained();
      await mapping.stop();
      assert.deepEqual(await committed(topic), [count + 1, count]);
    });

  test('a topic that is created again while a batch of the old one is under way', async () => {
    const topic = await createTopic('source-anew-busy', 1);
    await write(topic, texts('old', 20));
    const { entered, open, handle } = gate();
    const { mapping, values } = await read(topic, { batchSize: 10, handle });
    await entered;
    await recreate(topic, 1);
    await write(topic, texts('new', 30));
    open();
    await until(() => texts('new', 30).every((text) => values().includes(text)));
    await mapping.drained();
    await mapping.stop();
    assert.deepEqual(await committed(topic), [30]);
  });

  test('a topic that is created again while its fetching is paused', async () => {
    const topic = await createTopic('source-anew-paused', 1);
    for (const index of upTo(12)) await write(topic, [Buffer.alloc(MEGABYTE, String(index % 10))]);
    const { open, handle } = gate();
    const { mapping, values, source } = await read(topic, { batchSize: 1, handle });
    await until(() => source.end(0) === 12);
    await recreate(topic, 1);
    await write(topic, texts('new', 30));
    open();
    await until(() => texts('new', 30).every((text) => values().includes(text)));
    await mapping.drained();
    await mapping.stop();
    assert.deepEqual(await committed(topic), [30]);
  });

  test('a topic that was created again while nobody read it', async () => {
    const topic = await createTopic('source-anew-away', 1);
    await write(topic, texts('old', 20));
    const first = await read(topic);
    await first.mapping.drained();
    await first.mapping.stop();
    await recreate(topic, 1);
    await write(topic, texts('new', 30));
    const second = await read(topic);
    await second.mapping.drained();
    assert.deepEqual(second.values(), texts('new', 30));
    await second.mapping.stop();
  });

  test('a group that was deleted begins again where `from` says', async () => {
    const topic = await createTopic('source-group', 1);
    await write(topic, texts('a', 10));
    const first = await read(topic);
    await first.mapping.drained();
    await first.mapping.stop();
    await withAdmin(await client(), (admin) => admin.deleteGroups([`group.${topic}`]));
    const second = await read(topic);
    await second.mapping.drained();
    assert.deepEqual(second.values(), texts('a', 10));
    await second.mapping.stop();
  });

  test('a topic that does not exist is an error that names it', async () => {
    await assert.rejects(read('source-none'), /topic|partition/i);
  });
});
