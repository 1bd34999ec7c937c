import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CLAIM_COLUMN, LATTICE_COLUMNS, STAMP_COLUMNS } from '@concord/events';
import type { Column, Table } from '@concord/runtime';
import { decodeChange } from '../../functions/apply/decode.ts';
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

const tableOf = (name: string, lattice: boolean, claims: boolean): Table => ({
  name: `public.${name}`,
  schema: 'public',
  table: name,
  oid: 1,
  partitioned: false,
  lattice,
  claims,
  uniques: [],
  columns: [
    ...['id', 'a', 'n', ...STAMP_COLUMNS, '_local'],
    ...(lattice ? LATTICE_COLUMNS : []),
    ...(claims ? [CLAIM_COLUMN] : []),
  ].map(columnOf),
  key: [{ name: 'id', equals: '=', canonical: true }],
});

const NAMES = ['items', 'plain', 'claimed'] as const;
const TABLES = [tableOf('items', true, false), tableOf('plain', false, false), tableOf('claimed', true, true)];
const NOW = Date.now() * 1000;
const context = {
  topology: topologyOf({
    names: ['us-1', 'eu-1'],
    tables: NAMES.map((name) => `public.${name}`),
    priority: { 'us-1': 60_000 },
  }),
  tables: new Map(TABLES.map((table) => [table.name, table])),
  now: NOW,
};

/** eu has edited column a of a row that us inserted, and us has counted since. */
const EVENT: Record<string, string | null> = {
  ...versionEvent({ region: 'eu-1', stamp: HOUR_AGO + 1, key: { id: '7' }, columns: { a: 'x', n: '3' } }),
  _version_vector: `{"eu-1": ${HOUR_AGO + 1}, "us-1": ${HOUR_AGO + 2}}`,
  _incarnation: `[${HOUR_AGO}, "us-1"]`,
  _column_stamps: `{"a": [${HOUR_AGO + 1}, "eu-1"]}`,
  _counters: `{"n": {"us-1": [${HOUR_AGO + 2}, "3.50"]}}`,
};

const decode = (change: object, from = 'us-1') =>
  decodeChange(kafkaRecord(from, { key: null, value: JSON.stringify({ ...EVENT, ...change }) }), context);
const outcome = (change: object, from?: string): string => {
  const decoded = decode(change, from);
  return decoded.ok ? 'ok' : decoded.refusal.reason;
};
const none = { _incarnation: null, _column_stamps: null, _counters: null };

describe('a version of a lattice table', () => {
  test('says its incarnation, registers and counters, on the topic of whoever made it', () => {
    const decoded = decode({});
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.change.lattice, {
      incarnation: { stamp: HOUR_AGO, region: 'us-1' },
      registers: { a: { stamp: HOUR_AGO + 1, region: 'eu-1' } },
      counters: { n: { 'us-1': [HOUR_AGO + 2, '3.50'] } },
      txId: '7',
    });
    assert.equal(decoded.change.claim, undefined);
  });
  test('is one of a register table where it has no tags, and then comes from its own region', () => {
    const own = { ...none, _version_vector: `{"eu-1": ${HOUR_AGO + 1}}` };
    const decoded = decode(own, 'eu-1');
    assert.ok(decoded.ok && decoded.change.lattice === undefined);
    assert.equal(outcome(own, 'us-1'), 'foreign_region');
    assert.equal(outcome(none, 'eu-1'), 'bad_version');
  });
  test('may have grown only in its counters since before enrolment', () => {
    const bottom = {
      _source_region: '',
      _last_updated: '1970-01-01 00:00:00+00',
      _incarnation: '[0, ""]',
      _column_stamps: '{}',
      _counters: `{"n": {"": [0, "1"], "us-1": [${HOUR_AGO + 2}, "2"]}}`,
    };
    assert.equal(outcome(bottom), 'ok');
    assert.equal(outcome({ ...bottom, ...none }), 'foreign_region');
    assert.equal(outcome({ ...bottom, _last_updated: EVENT._last_updated }), 'foreign_region');
  });
  test('has a claim on tables with unique keys: that of its own write unless it says another', () => {
    const own = decode({ __t: 'claimed' });
    assert.ok(own.ok);
    assert.deepEqual(own.change.claim, { stamp: HOUR_AGO + 1, region: 'eu-1' });
    const older = decode({ __t: 'claimed', _claim: `[${HOUR_AGO}, "us-1"]` });
    assert.ok(older.ok);
    assert.deepEqual(older.change.claim, { stamp: HOUR_AGO, region: 'us-1' });
    assert.equal(outcome({ __t: 'claimed', _claim: '"mine"' }), 'unknown_tag');
    assert.equal(outcome({ _claim: `[${HOUR_AGO}, "us-1"]` }), 'unknown_column');
  });
  test('may be a tombstone', () => {
    const { a: _, n: __, ...rest } = EVENT;
    const record = kafkaRecord('us-1', {
      key: null,
      value: JSON.stringify({ ...rest, image: null, __s: 'concord_public' }),
    });
    assert.ok(decodeChange(record, context).ok);
  });
  test('may be as far ahead as the drift limit and the greatest bonus, in any entry of its vector', () => {
    const limit = NOW + context.topology.limits.driftLimitMs * 1000 + 60_000_000;
    const at = (late: number) => ({ _version_vector: `{"eu-1": ${HOUR_AGO + 1}, "us-1": ${limit + late}}` });
    assert.deepEqual([outcome(at(0)), outcome(at(1))], ['ok', 'future']);
  });
});

describe('a version of a lattice table is refused', () => {
  const cases: [name: string, change: object, reason: string][] = [
    ['an incarnation that is no pair', { _incarnation: `{"stamp": ${HOUR_AGO}}` }, 'unknown_tag'],
    ['an incarnation of three', { _incarnation: `[${HOUR_AGO}, "us-1", true]` }, 'unknown_tag'],
    ['an incarnation without a region', { _incarnation: `[${HOUR_AGO}, ""]` }, 'unknown_tag'],
    ['registers without an incarnation', { _incarnation: null }, 'unknown_tag'],
    ['an incarnation without registers', { _column_stamps: null }, 'unknown_tag'],
    ['counters that are missing', { _counters: undefined }, 'unknown_tag'],
    ['a fraction of a stamp', { _column_stamps: `{"a": [${HOUR_AGO}.5, "eu-1"]}` }, 'unknown_tag'],
    ['registers as a list', { _column_stamps: `[["a", ${HOUR_AGO}, "eu-1"]]` }, 'unknown_tag'],
    ['a register without a name', { _column_stamps: `{"": [${HOUR_AGO}, "eu-1"]}` }, 'unknown_tag'],
    ['a sum that is a number', { _counters: `{"n": {"us-1": [${HOUR_AGO}, 3]}}` }, 'unknown_tag'],
    ['a sum that is none', { _counters: `{"n": {"us-1": [${HOUR_AGO}, "NaN"]}}` }, 'unknown_tag'],
    ['a sum with an exponent', { _counters: `{"n": {"us-1": [${HOUR_AGO}, "1e99"]}}` }, 'unknown_tag'],
    ['a sum of nobody', { _counters: `{"n": {"": [${HOUR_AGO}, "1"]}}` }, 'unknown_tag'],
    ['text that is no JSON', { _counters: '{' }, 'unknown_tag'],
    ['a column of a later release', { _concord_epoch: '1' }, 'unknown_tag'],
    ['tags of a table that is none here', { __t: 'plain' }, 'unknown_column'],
    ['no write of the topic’s region', { _version_vector: `{"eu-1": ${HOUR_AGO + 1}}` }, 'foreign_region'],
    ['an unknown region in the vector', { _version_vector: `{"eu-1": ${HOUR_AGO + 1}, "x": 1}` }, 'foreign_region'],
    ['a last write that the vector does not hold', { _version_vector: `{"us-1": ${HOUR_AGO + 2}}` }, 'bad_version'],
    ['a register that the vector does not hold', { _column_stamps: `{"a": [${HOUR_AGO + 9}, "eu-1"]}` }, 'bad_version'],
    ['a life that the vector does not hold', { _incarnation: `[${HOUR_AGO + 9}, "us-1"]` }, 'bad_version'],
    ['an increment that it does not hold', { _counters: `{"n": {"us-1": [${HOUR_AGO + 9}, "1"]}}` }, 'bad_version'],
  ];
  for (const [name, change, reason] of cases) test(`${name}: ${reason}`, () => assert.equal(outcome(change), reason));

  test('names that every object has are names', () => {
    const odd = `{"__proto__": [${HOUR_AGO + 1}, "eu-1"], "constructor": [${HOUR_AGO}, "us-1"]}`;
    const decoded = decode({ _column_stamps: odd, _counters: `{"__proto__": {"us-1": [${HOUR_AGO + 2}, "1"]}}` });
    assert.ok(decoded.ok);
    assert.deepEqual(Object.keys(decoded.change.lattice?.registers ?? {}).sort(), ['__proto__', 'constructor']);
    assert.deepEqual(Object.keys(decoded.change.lattice?.counters ?? {}), ['__proto__']);
  });
});
