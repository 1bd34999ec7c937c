import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseStamp, parseVector } from '@concord/conflict';
import {
  changeKey,
  internalTopic,
  isChangeEvent,
  isInternalTopic,
  isRegionName,
  murmur2,
  parseKafkaEvent,
  partitionOf,
  regionKey,
  regionName,
  regionOfTopic,
  tableOf,
  tombstoneSchema,
  topicOf,
  whyNotChangeEvent,
} from '@concord/events';

const SAMPLE = new URL('../../events/change.sample.json', import.meta.url);
const sample: { key: Record<string, string>; value: Record<string, unknown> } = JSON.parse(
  readFileSync(SAMPLE, 'utf8'),
);

describe('partitions', () => {
  /** org.apache.kafka.common.utils.UtilsTest#testMurmur2 */
  const vectors: [text: string, hash: number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [text, hash] of vectors)
    test(`murmur2 of ${text} is Kafka's`, () => assert.equal(murmur2(new TextEncoder().encode(text)), hash));
  test('a view into a larger buffer is hashed alone', () => {
    const buffer = new TextEncoder().encode('xxabcxx');
    assert.equal(murmur2(buffer.subarray(2, 5)), 479470107);
  });
  test('a negative hash loses its sign as in Kafka, not its value', () => {
    assert.equal(partitionOf('21', 16), (-973932308 & 0x7fffffff) % 16);
    assert.equal(partitionOf('abc', 1), 0);
  });
});

describe('the contract of a change', () => {
  test('the sample fits it, and its key is the key of its row', () => {
    assert.equal(whyNotChangeEvent(sample.value), 'fits the contract');
    assert.ok(isChangeEvent(sample.value));
    assert.equal(changeKey({ id: '2' }, 'public.users'), JSON.stringify(sample.key));
    const { _last_updated, _version_vector, _source_region } = sample.value;
    assert.equal(parseVector(_version_vector)[_source_region], parseStamp(_last_updated));
  });

  const accepted: [name: string, change: object][] = [
    ['the region of rows before enrolment', { _source_region: '' }],
    ['a second incarnation', { _source_region: 'eu-west-1#2', _version_vector: '{"eu-west-1#2": 1}' }],
    ['an empty vector', { _version_vector: '{}' }],
    ['a vector without blanks', { _version_vector: '{"a":1,"b":2}' }],
    ['a stamp of whole seconds', { _last_updated: '2026-11-21 07:04:02+00' }],
    ['pgoutput’s boolean', { _local: 't' }],
    ['positions as text or null', { __lsn: '1/2', __txId: null }],
    ['columns with any name', { constructor: 'x', __proto: null, '': '' }],
  ];
  for (const [name, change] of accepted)
    test(`${name} fits`, () => assert.equal(whyNotChangeEvent({ ...sample.value, ...change }), 'fits the contract'));

  const refused: [name: string, change: object, path: string][] = [
    ['a number as value', { balance: 1.5 }, '/balance'],
    ['a nested value', { tags: { a: 1 } }, '/tags'],
    ['a boolean', { active: true }, '/active'],
    ['an applied row', { _local: 'false' }, '/_local'],
    ['a delete', { __op: 'd' }, '/__op'],
    ['a truncate', { __op: 't' }, '/__op'],
    ['a stamp with another zone', { _last_updated: '2026-11-21 07:04:02+01' }, '/_last_updated'],
    ['a stamp BC', { _last_updated: '0044-03-15 00:00:00+00 BC' }, '/_last_updated'],
    ['an infinite stamp', { _last_updated: 'infinity' }, '/_last_updated'],
    ['a region in capitals', { _source_region: 'EU' }, '/_source_region'],
    ['a negative version', { _version: '-1' }, '/_version'],
    ['a version of 20 digits', { _version: '1'.repeat(20) }, '/_version'],
    ['a vector that is no object', { _version_vector: '[]' }, '/_version_vector'],
    ['a vector with a comma too many', { _version_vector: '{"a": 1,}' }, '/_version_vector'],
    ['a vector with a comma too few', { _version_vector: '{"a": 1"b": 2}' }, '/_version_vector'],
    ['a vector with a number that JSON does not have', { _version_vector: '{"a": 01}' }, '/_version_vector'],
    ['a vector with fractions', { _version_vector: '{"a": 1.5}' }, '/_version_vector'],
    ['a line after the vector', { _version_vector: '{}\n' }, '/_version_vector'],
    ['no table', { __t: '' }, '/__t'],
  ];
  for (const [name, change, path] of refused)
    test(`${name} does not fit`, () => {
      const value = { ...sample.value, ...change };
      assert.equal(isChangeEvent(value), false);
      assert.ok(whyNotChangeEvent(value).startsWith(`${path} `), whyNotChangeEvent(value));
    });

  for (const name of ['_version', '_last_updated', '_source_region', '_tx_id', '_version_vector', '_local', '__op'])
    test(`without ${name} nothing fits`, () => {
      const { [name]: _, ...rest } = sample.value;
      assert.equal(isChangeEvent(rest), false);
      assert.match(whyNotChangeEvent(rest), new RegExp(name));
    });
});

test('a record of a tombstone table belongs to the table', () => {
  assert.deepEqual(tableOf({ __s: 'public', __t: 'users' }), { table: 'public.users', kind: 'row' });
  const buried = tableOf({ __s: tombstoneSchema('public'), __t: 'users' });
  assert.deepEqual(buried, { table: 'public.users', kind: 'tombstone' });
});

test('the Kafka key is one for row and tombstone, and tells tables and NULL apart', () => {
  assert.equal(changeKey({ a: '1', b: 'x"y' }, 'public.t'), '{"a":"1","b":"x\\"y","_table":"public.t"}');
  assert.notEqual(changeKey({ a: null }, 'public.t'), changeKey({ a: 'null' }, 'public.t'));
  assert.notEqual(changeKey({ a: '1' }, 'public.t'), changeKey({ a: '1' }, 'public.u'));
});

describe('regions', () => {
  test('are lower-case names', () => {
    for (const name of ['a', 'us-east-1', 'constructor', 'x'.repeat(40)]) assert.ok(isRegionName(name), name);
    for (const name of ['', 'A', '1a', 'a-', '-a', 'a_b', 'a#2', 'a.b', 'a\n', 'é', 'x'.repeat(41)])
      assert.ok(!isRegionName(name), name);
  });
  test('carry their incarnation from the second on', () => {
    assert.deepEqual([regionKey('a', 1), regionKey('a', 2), regionKey('a', 10)], ['a', 'a#2', 'a#10']);
    assert.deepEqual(['a', 'a#2', 'a#10'].map(regionName), ['a', 'a', 'a']);
  });
});

describe('topics', () => {
  test('name their source region', () => {
    assert.equal(topicOf('eu-west-1'), 'cdc.eu-west-1');
    assert.equal(regionOfTopic('cdc.eu-west-1'), 'eu-west-1');
    for (const topic of ['cdc.', 'cdc', 'eu-west-1', 'cdc.EU', 'cdc.a#2', 'concord.repair', 'xcdc.a'])
      assert.equal(regionOfTopic(topic), undefined, topic);
  });
  test('of Concord itself are three', () => {
    for (const purpose of ['repair', 'redrive', 'drain'] as const) assert.ok(isInternalTopic(internalTopic(purpose)));
    for (const topic of ['concord.', 'concord.other', 'cdc.repair']) assert.ok(!isInternalTopic(topic));
  });
});

describe('the event of Lambda', () => {
  const record = { topic: 'cdc.a', partition: 0, offset: 0, timestamp: 1, timestampType: 'CREATE_TIME' };
  const event = { eventSource: 'aws:kafka', records: { 'cdc.a-0': [record] } };
  test('is taken as it is: without key, value and headers, with signed bytes', () => {
    assert.equal(parseKafkaEvent(event), event);
    const full = { ...record, key: null, value: 'e30=', headers: [{ h: [-1, 127] }] };
    parseKafkaEvent({ eventSource: 'SelfManagedKafka', bootstrapServers: 'b:9092', records: { 'cdc.a-0': [full] } });
  });
  const wrong: [name: string, event: unknown, path: RegExp][] = [
    ['nothing', undefined, /Lambda: \//],
    ['another source', { ...event, eventSource: 'aws:sqs' }, /\/eventSource/],
    ['records in a list', { ...event, records: [record] }, /\/records/],
    ['a negative offset', { ...event, records: { x: [{ ...record, offset: -1 }] } }, /\/records\/x\/0\/offset/],
    ['no topic', { ...event, records: { x: [{ ...record, topic: undefined }] } }, /\/records\/x\/0/],
  ];
  for (const [name, value, path] of wrong)
    test(`${name} is a wiring fault`, () => {
      assert.throws(
        () => parseKafkaEvent(value),
        (error) => error instanceof TypeError && path.test(error.message),
      );
    });
});
