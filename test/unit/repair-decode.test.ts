import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { internalTopic, type KafkaRecord, type RepairVersion, repairEvent } from '@concord/events';
import { type Column, recordsOf, type Table } from '@concord/runtime';
import { decodeChange } from '../../functions/apply/decode.ts';
import { topologyOf } from '../support/regions.ts';

const column = (name: string): Column => ({
  ...{ name, type: 'pg_catalog.text', viaText: false, generated: false, identity: '' },
  constantDefault: null,
});
const tableOf = (lattice: boolean): Table => ({
  ...{ name: 'public.items', schema: 'public', table: 'items', oid: 1, partitioned: false, claims: false, uniques: [] },
  columns: ['id', 'label', '_incarnation', '_column_stamps', '_counters'].map(column),
  key: [{ name: 'id', equals: '=', canonical: true }],
  lattice,
});
const topology = topologyOf({ names: ['us-1', 'eu-1'], tables: ['public.items'] });

const STAMPED = {
  ...{
    id: '1',
    label: 'a',
    _version: '1',
    _last_updated: '2026-11-21 07:04:02+00',
    _source_region: 'us-1',
    _tx_id: '7',
  },
  _version_vector: '{"us-1": 1795244642000000}',
};
const BOTTOM = {
  ...{ id: '1', label: 'a', _version: '1', _last_updated: '1970-01-01 00:00:00+00', _source_region: '', _tx_id: '0' },
  _version_vector: '{}',
};

function decode(version: RepairVersion, { topic, lattice = false }: { topic?: string; lattice?: boolean } = {}) {
  const request = { run: 'run-1', table: 'public.items', key: ['id'], versions: [version] };
  const [record] = recordsOf(repairEvent(request)) as [KafkaRecord];
  const tables = new Map([['public.items', tableOf(lattice)]]);
  return decodeChange({ ...record, topic: topic ?? record.topic }, { topology, tables, now: 1795244642000000 });
}
const reasonOf = (...given: Parameters<typeof decode>): string | undefined => {
  const decoded = decode(...given);
  return decoded.ok ? undefined : decoded.refusal.reason;
};

describe('a record of topic concord.repair', () => {
  test('is a version of any region', () => {
    const change = decode({ place: 'row', event: STAMPED });
    assert.ok(change.ok);
    assert.deepEqual([change.change.kind, change.change.region, change.change.insteadOf], ['row', 'us-1', undefined]);
    assert.equal(reasonOf({ place: 'held', event: STAMPED }), undefined);
    const { label, ...tombstone } = STAMPED;
    for (const image of [null, `{"label": "${label}"}`])
      assert.equal(reasonOf({ place: 'tombstone', event: { ...tombstone, image } }), undefined);
  });

  test('may be a row from before enrolment, on tables of either kind', () => {
    for (const lattice of [false, true])
      for (const place of ['row', 'held'] as const)
        assert.equal(reasonOf({ place, event: BOTTOM }, { lattice }), undefined);
  });

  test('of before enrolment is no delete, and has seen nothing', () => {
    const { label: _, ...tombstone } = BOTTOM;
    assert.equal(reasonOf({ place: 'tombstone', event: { ...tombstone, image: null } }), 'bad_version');
    const seen = { ...BOTTOM, _version_vector: '{"us-1": 0}' };
    assert.equal(reasonOf({ place: 'row', event: seen }), 'bad_version');
    assert.equal(reasonOf({ place: 'row', event: { ...STAMPED, _source_region: '' } }), 'foreign_region');
  });

  test('says what it is to be written over, which no other topic can', () => {
    const version = { place: 'row' as const, event: STAMPED, insteadOf: 'abc' };
    const insteadOf = (topic?: string): string | undefined => {
      const decoded = decode(version, topic === undefined ? {} : { topic });
      return decoded.ok ? decoded.change.insteadOf : decoded.refusal.error;
    };
    assert.equal(insteadOf(), 'abc');
    for (const topic of ['cdc.us-1', internalTopic('drain'), internalTopic('redrive')])
      assert.equal(insteadOf(topic), undefined);
  });
});

describe('a row from before enrolment', () => {
  test('comes on no other topic', () => {
    for (const topic of ['cdc.us-1', 'cdc.', internalTopic('drain'), internalTopic('redrive')])
      assert.ok(reasonOf({ place: 'row', event: BOTTOM }, { topic }) !== undefined, topic);
  });
});
