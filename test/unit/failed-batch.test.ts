import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { drainedRecord, internalTopic, type KafkaRecord, originOf, parseFailedBatch } from '@concord/events';

const SAMPLE = readFileSync(new URL('../../events/failed-batch.sample.json', import.meta.url), 'utf8');
const sample = () => JSON.parse(SAMPLE);

describe('a batch that Lambda gave up', () => {
  test('is read with its payload as a text, as Lambda writes it', () => {
    const parsed = parseFailedBatch(SAMPLE);
    assert.ok(parsed.ok);
    assert.deepEqual(
      parsed.records.map(({ topic, partition, offset }) => [topic, partition, offset]),
      [['cdc.us-east-1', 3, 17]],
    );
  });
  test('is read with its payload as an object, and when the function was never invoked', () => {
    const batch = { ...sample(), responseContext: null };
    assert.deepEqual(
      parseFailedBatch(JSON.stringify({ ...batch, payload: JSON.parse(batch.payload) })),
      parseFailedBatch(SAMPLE),
    );
  });
  const others: [name: string, text: string, reason: RegExp][] = [
    ['no JSON', '{', /not a failed batch of Lambda/],
    ['another object', '{"a":1}', /not a failed batch of Lambda/],
    [
      'one of an asynchronous invocation',
      JSON.stringify({ ...sample(), KafkaBatchInfo: undefined }),
      /not a failed batch/,
    ],
    ['one without its payload', JSON.stringify({ ...sample(), payload: undefined }), /not a failed batch/],
    ['one whose payload is no JSON', JSON.stringify({ ...sample(), payload: '{' }), /its payload is not a Kafka event/],
    ['one of Kinesis', JSON.stringify({ ...sample(), payload: '{"Records":[]}' }), /its payload is not a Kafka event/],
  ];
  for (const [name, text, reason] of others)
    test(`${name} is none`, () => {
      const parsed = parseFailedBatch(text);
      assert.ok(!parsed.ok);
      assert.match(parsed.reason, reason);
    });
});

describe('a record that the drain hands on', () => {
  const record: KafkaRecord = {
    ...{
      topic: 'cdc.eu-1',
      partition: 3,
      offset: 17,
      timestamp: 1,
      timestampType: 'CREATE_TIME',
      key: 'aw==',
      value: 'dg==',
    },
    headers: [{ other: [-1, 2] }],
  };
  test('is on the internal topic, and says where it comes from', () => {
    const drained = drainedRecord(record, 4);
    assert.deepEqual([drained.topic, drained.partition, drained.offset], [internalTopic('drain'), 0, 4]);
    assert.deepEqual([drained.key, drained.value, drained.timestamp], [record.key, record.value, record.timestamp]);
    assert.deepEqual(originOf(drained), { topic: 'cdc.eu-1', partition: 3, offset: 17 });
    assert.deepEqual(originOf(JSON.parse(JSON.stringify(drained))), originOf(drained));
  });
  test('that failed there and came back a second time still does', () => {
    assert.deepEqual(originOf(drainedRecord(drainedRecord(record, 4), 0)), originOf(drainedRecord(record, 0)));
  });
  test('a header of a region’s own topic claims nothing', () => {
    const { headers } = drainedRecord({ ...record, topic: 'cdc.us-1' }, 0);
    assert.deepEqual(originOf({ ...record, headers: headers ?? [] }), { ...record, headers });
  });
  test('without a readable origin it is where it is', () => {
    for (const bytes of [[], [123], [...Buffer.from('{"topic":1}')]]) {
      const lost = { ...record, topic: internalTopic('drain'), headers: [{ 'concord.origin': bytes }] };
      assert.equal(originOf(lost), lost);
    }
  });
});
