import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ChangeEvent, UNAVAILABLE } from '@concord/events';
import type { Column, Table } from '@concord/runtime';
import { type DecodedChange, decodeChange } from '../../functions/apply/decode.ts';
import { kafkaRecord } from '../support/records.ts';
import { topologyOf } from '../support/regions.ts';
import { HOUR_AGO, versionEvent } from '../support/versions.ts';

const columnOf = (name: string): Column => ({
  name,
  type: 'pg_catalog.text',
  viaText: false,
  generated: false,
  identity: '',
  constantDefault: null,
});

const keyOf = (name: string) => ({ name, equals: 'operator(pg_catalog.=)', canonical: true });

const tableOf = (table: string, key: string[], others: string[]): Table => ({
  name: `public.${table}`,
  schema: 'public',
  table,
  oid: 1,
  partitioned: false,
  lattice: false,
  claims: false,
  uniques: [],
  columns: [...key, ...others].map(columnOf),
  key: key.map(keyOf),
});

const NAMES = ['here-1', 'us-1', 'eu-1', 'constructor'];
const NOW = HOUR_AGO + 3_600_000_000;
const context = {
  topology: topologyOf({ names: NAMES, tables: ['public.items', 'public.pairs'] }),
  tables: new Map([
    ['public.items', tableOf('items', ['id'], ['label'])],
    ['public.pairs', tableOf('pairs', ['a', 'b'], [])],
  ]),
  now: NOW,
};

const EVENT = versionEvent({
  region: 'us-1',
  stamp: HOUR_AGO,
  seen: { 'eu-1': HOUR_AGO - 1 },
  writes: 3,
  key: { id: '7' },
  columns: { label: null },
});

const decode = (change: object, topic = 'us-1'): DecodedChange =>
  decodeChange(kafkaRecord(topic, { key: null, value: JSON.stringify({ ...EVENT, ...change }) }), context);

const reasonOf = (decoded: DecodedChange): string => (decoded.ok ? 'ok' : decoded.refusal.reason);

describe('a record that can be applied', () => {
  test('is a version of a row of its table', () => {
    const decoded = decode({});
    assert.ok(decoded.ok);
    const { event, record, ...change } = decoded.change;
    assert.deepEqual(change, {
      kind: 'row',
      table: 'public.items',
      key: '7',
      stamp: HOUR_AGO,
      region: 'us-1',
      vector: { 'eu-1': HOUR_AGO - 1, 'us-1': HOUR_AGO },
      writes: 3,
    });
    assert.deepEqual([event, record.topic], [EVENT, 'cdc.us-1']);
  });
  test('or of the tombstone of one', () => {
    const event = versionEvent({ kind: 'tombstone', region: 'us-1', stamp: HOUR_AGO, key: { id: '7' } });
    const decoded = decodeChange(kafkaRecord('us-1', { key: null, value: JSON.stringify(event) }), context);
    assert.ok(decoded.ok);
    assert.deepEqual([decoded.change.kind, decoded.change.table], ['tombstone', 'public.items']);
  });
  test('comes from any region on a topic of Concord itself', () => {
    const record = { ...kafkaRecord('us-1', { key: null, value: JSON.stringify(EVENT) }), topic: 'concord.redrive' };
    assert.ok(decodeChange(record, context).ok);
  });
  test('may lack columns, and may be as far ahead as the drift limit', () => {
    const { label: _, ...rest } = EVENT;
    assert.ok(decodeChange(kafkaRecord('us-1', { key: null, value: JSON.stringify(rest) }), context).ok);
    const stamp = NOW + context.topology.limits.driftLimitMs * 1000;
    const at = (late: number): object => versionEvent({ region: 'us-1', stamp: stamp + late, key: { id: '7' } });
    assert.deepEqual(
      [at(0), at(1)].map((event) => reasonOf(decode(event))),
      ['ok', 'future'],
    );
  });
});

describe('a record is refused', () => {
  const cases: [name: string, change: object, reason: string][] = [
    ['a table that is not enrolled', { __t: 'others' }, 'unknown_table'],
    ['a table that every object has', { __s: 'constructor', __t: 'name' }, 'unknown_table'],
    ['a column that does not exist', { colour: 'red' }, 'unknown_column'],
    ['a column that every object has', { constructor: 'x' }, 'unknown_column'],
    ['an image in a row', { image: '{}' }, 'unknown_column'],
    ['a value that the decoder did not have', { label: UNAVAILABLE }, 'unavailable_value'],
    ['a key that is NULL', { id: null }, 'bad_key'],
    ['a key that is missing', { id: undefined }, 'bad_key'],
    ['a day that does not exist', { _last_updated: '2026-02-30 00:00:00+00' }, 'bad_version'],
    ['a vector without its own entry', { _version_vector: '{}' }, 'bad_version'],
    ['a vector of another stamp', { _version_vector: `{"us-1": ${HOUR_AGO - 1}}` }, 'bad_version'],
    ['a vector of the future', { _version_vector: `{"us-1": ${HOUR_AGO}, "eu-1": ${HOUR_AGO + 1}}` }, 'bad_version'],
    ['an unknown region in the vector', { _version_vector: `{"us-1": ${HOUR_AGO}, "x": 1}` }, 'foreign_region'],
    ['an unknown region', { _source_region: 'x' }, 'foreign_region'],
    ['a region that is not the topic’s', { _source_region: 'eu-1' }, 'foreign_region'],
    ['a region that every object has', { _source_region: 'constructor' }, 'foreign_region'],
    ['a vector with leading zeros', { _version_vector: `{"us-1": ${HOUR_AGO}, "eu-1": 007}` }, 'contract'],
    ['a value that is no text', { label: 5 }, 'contract'],
  ];
  for (const [name, change, reason] of cases)
    test(`${name}: ${reason}`, () => assert.equal(reasonOf(decode(change)), reason));

  test('a region that every object has, on its own topic, without an entry: bad_version', () => {
    assert.equal(reasonOf(decode({ _source_region: 'constructor' }, 'constructor')), 'bad_version');
  });
});

test('keys whose texts hold the separator are not taken for one another', () => {
  const keyOfPair = (a: string, b: string): string => {
    const event = versionEvent({ table: 'public.pairs', region: 'us-1', stamp: HOUR_AGO, key: { a, b } });
    const decoded = decodeChange(
      kafkaRecord('us-1', { key: null, value: JSON.stringify(event as ChangeEvent) }),
      context,
    );
    assert.ok(decoded.ok);
    return decoded.change.key;
  };
  const pairs: [string, string][] = [
    ['x', 'y'],
    ['x\u0002', 'y'],
    ['x', '\u0002y'],
    ['', 'x\u0002y'],
    ['xy', ''],
    ['', 'xy'],
  ];
  assert.equal(new Set(pairs.map(([a, b]) => keyOfPair(a, b))).size, pairs.length);
});
