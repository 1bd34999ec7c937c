import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Table } from '@concord/runtime';
import type { ConflictLine, Side } from '../../functions/operate/conflict-line.ts';
import { Refused } from '../../functions/operate/refused.ts';
import { planReinstatement, type ReinstateOptions } from '../../functions/operate/reinstatement.ts';
import { isUnchanged } from '../../functions/operate/since.ts';
import type { Standing, StandingVersion } from '../../functions/operate/standing.ts';

const column = (name: string, generated = false) => ({
  ...{ name, type: 'pg_catalog.text', viaText: false, generated, identity: '' as const, constantDefault: null },
});
const table: Table = {
  ...{
    name: 'public.t',
    schema: 'public',
    table: 't',
    oid: 1,
    partitioned: false,
    lattice: true,
    claims: true,
    uniques: [],
  },
  columns: [column('id'), column('v'), column('n'), column('email'), column('shout', true)],
  key: [{ name: 'id', equals: '=', canonical: true }],
};
const facts = { table, counters: ['n'], uniqueColumns: new Set(['email']) };

const side = (stamp: number, region: string, more: Partial<Side> = {}): Side => ({
  ...{ kind: 'row', stamp, region, at: '', vector: { [region]: stamp } },
  image: { id: '1', v: region, n: '5', email: 'a' },
  ...more,
});
const line = (more: Partial<ConflictLine> = {}): ConflictLine => ({
  ...{
    id: 'f'.repeat(64),
    table: 'public.t',
    key: ['1'],
    kind: 'update_origin_differs',
    rule: 'lww',
    part: '',
    amount: null,
  },
  ...{ review: 'log', state: 'logged', decidedBy: null, decidedAt: null, loggedAt: '' },
  ...{ loser: side(10, 'us'), winner: side(20, 'eu', { vector: { eu: 20, us: 5 } }) },
  ...more,
});
const standing = (more: Partial<StandingVersion> = {}): Standing => ({
  ...{
    kind: 'row',
    stamp: 20,
    region: 'eu',
    at: '',
    vector: { eu: 20, us: 5 },
    image: { id: '1', v: 'eu', n: '3', email: 'a' },
  },
  ...{ incarnation: null, registers: null },
  ...more,
});
const tombstone = standing({ kind: 'tombstone', image: null });
const gone: Standing = { kind: 'nothing' };

describe('has anything changed since?', () => {
  const deleted = line({ winner: side(20, 'eu', { kind: 'tombstone', image: null }) });
  const held = line({ kind: 'multiple_unique_conflicts', part: 'unique' });
  const part = line({ part: 'city,street', winner: side(20, 'eu', { vector: { eu: 20, ap: 15 } }) });
  const lattice = (registers: StandingVersion['registers'], more: Partial<StandingVersion> = {}) =>
    standing({ stamp: 30, region: 'ap', incarnation: [1, 'us'], registers, ...more });
  const cases: readonly (readonly [string, ConflictLine, Standing, boolean])[] = [
    ['the winner stands', line(), standing(), true],
    ['a later write', line(), standing({ stamp: 21 }), false],
    ['a write of another region that the winner had not seen', line(), standing({ stamp: 19, region: 'ap' }), false],
    ['the row was deleted', line(), standing({ kind: 'tombstone' }), false],
    ['the row is gone with its tombstone', line(), gone, false],
    ['the tombstone stands', deleted, tombstone, true],
    ['the tombstone was collected', deleted, gone, true],
    ['the row is back', deleted, standing(), false],
    ['another column', part, lattice({ name: [30, 'ap'], 'city,street': [15, 'ap'] }), true],
    ['one of the columns, in a register of its own', part, lattice({ street: [30, 'ap'] }), false],
    ['all columns', part, lattice({ '*': [30, 'ap'] }), false],
    ['another life', part, lattice({}, { incarnation: [30, 'ap'] }), false],
    [
      'increments, and somebody added since',
      line({ rule: 'counter', amount: '3', part: 'n+2' }),
      standing({ vector: { eu: 20, us: 5, ap: 1 } }),
      false,
    ],
    ['increments, and nobody wrote since', line({ rule: 'counter', amount: '3', part: 'n+2' }), standing(), true],
    ['the very version is held', held, standing({ kind: 'held', stamp: 10, region: 'us' }), true],
    ['a newer version is held', held, standing({ kind: 'held', stamp: 11, region: 'us' }), false],
    ['the row is visible', held, standing({ stamp: 10, region: 'us' }), false],
  ];
  for (const [name, conflict, now, expected] of cases)
    test(name, () => assert.equal(isUnchanged(conflict, now), expected));
});

describe('the one write', () => {
  const plan = (conflict: ConflictLine, now: Standing, options: ReinstateOptions = {}) => {
    const { action, columns } = planReinstatement(conflict, now, facts, options);
    return [action, Object.fromEntries(columns.map(({ column: name, to }) => [name, to]))];
  };
  const refused = (conflict: ConflictLine, now: Standing, options: ReinstateOptions, message: RegExp): void =>
    assert.throws(
      () => planReinstatement(conflict, now, facts, options),
      (error) => error instanceof Refused && message.test(error.message) && error.hint !== '',
    );
  const dead = line({ winner: side(20, 'eu', { kind: 'tombstone', image: null }) });
  const lostDelete = line({ loser: side(10, 'us', { kind: 'tombstone', image: { id: '1' } }) });
  const increments = line({ rule: 'counter', amount: '-3', part: 'n+2' });
  const held = line({ kind: 'multiple_unique_conflicts', part: 'unique' });
  const heldNow = standing({
    kind: 'held',
    stamp: 10,
    region: 'us',
    image: { id: '1', v: 'held', n: '5', email: 'a' },
  });

  test('a row over a row: what differs, without key and counters', () => {
    assert.deepEqual(plan(line(), standing()), ['update', { v: 'us' }]);
    assert.deepEqual(plan(line(), standing(), { set: { n: '9' } }), ['update', { v: 'us', n: '9' }]);
  });
  test('a part: only its columns', () => {
    const part = line({ part: 'v', loser: side(10, 'us', { image: { id: '1', v: 'us', n: '5', email: 'other' } }) });
    assert.deepEqual(plan(part, standing()), ['update', { v: 'us' }]);
  });
  test('a row over a tombstone: all of it', () =>
    assert.deepEqual(plan(dead, tombstone), ['insert', { id: '1', v: 'us', n: '5', email: 'a' }]));
  test('a delete', () => {
    assert.deepEqual(plan(lostDelete, standing()), ['delete', {}]);
    refused(lostDelete, gone, { anyway: true }, /not there/);
    refused(lostDelete, standing(), { set: { v: 'x' } }, /no column to set/);
  });
  test('increments are added', () => {
    assert.deepEqual(plan(increments, standing()), ['add', { n: '-3' }]);
    refused(line({ ...increments, winner: dead.winner }), tombstone, {}, /the row that -3 was added to is not there/);
    refused(increments, standing(), { set: { n: '1' } }, /no column to set/);
    refused(line({ ...increments, amount: null }), standing(), { anyway: true }, /how much was lost is not known/);
  });
  test('a held row: what is held by now, with another unique value', () => {
    assert.deepEqual(plan(held, heldNow, { set: { email: 'b' } }), [
      'insert',
      { id: '1', v: 'held', n: '5', email: 'b' },
    ]);
    refused(held, heldNow, {}, /is held/);
    refused(held, heldNow, { set: { v: 'b' } }, /is held/);
    refused(held, heldNow, { set: { email: 'a' } }, /is held/);
    refused(held, standing(), { anyway: true, set: { email: 'b' } }, /visible again/);
    refused(held, tombstone, { anyway: true, set: { email: 'b' } }, /was deleted/);
  });
  test('what changed since, is the same already, or cannot be written', () => {
    refused(line(), standing({ stamp: 99, region: 'ap' }), {}, /written by ap/);
    assert.deepEqual(plan(line(), standing({ stamp: 99, region: 'ap' }), { anyway: true })[0], 'update');
    refused(line(), standing({ image: { id: '1', v: 'us', n: '3', email: 'a' } }), {}, /already/);
    refused(
      line({ loser: side(10, 'us', { image: { id: '1', old: 'x' } }) }),
      standing(),
      {},
      /no column old any more/,
    );
    refused(line({ loser: side(10, 'us', { image: null }) }), standing(), {}, /no image/);
    for (const name of ['nope', 'shout', 'id']) refused(line(), standing(), { set: { [name]: 'x' } }, new RegExp(name));
  });
});
