import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compareLives, counterValue, formatStamp, nextLattice, registerOf, type Version } from '@concord/conflict';
import { formatCounters, formatRanked, formatRegisters } from '@concord/events';
import fc from 'fast-check';
import type { Change } from '../../functions/apply/change.ts';
import { groupOf } from '../../functions/apply/collapse.ts';
import { mergeChanges } from '../../functions/apply/merge-changes.ts';
import { withTags } from '../../functions/apply/tags.ts';
import { holds } from '../support/property.ts';
import { kafkaRecord } from '../support/records.ts';

const REGIONS = ['a', 'b', 'c'] as const;
const COLUMNS = ['a', 'b,c', '__proto__'] as const;
const TABLE = { lattice: true, claims: false };

type Step = {
  region: number;
  do: 'delete' | 'write' | 'add' | 'receive';
  column: number;
  amount: string;
  from: number;
};

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    region: fc.nat(REGIONS.length - 1),
    do: fc.constantFrom('delete', 'write', 'write', 'add', 'add', 'receive', 'receive'),
    column: fc.nat(COLUMNS.length - 1),
    amount: fc.constantFrom('1', '-2.50', '9007199254740993', '0.001'),
    from: fc.nat(20),
  }),
  { maxLength: 16 },
);

/** The event of a version: columns that are absent are those that nobody has set yet. */
function changeOf(version: Version, values: Readonly<Record<string, string>>): Change {
  const { kind, stamp, region, vector, writes, lattice } = version;
  assert.ok(lattice);
  const texts = {
    id: '1',
    ...(kind === 'row' ? { ...values, n: counterValue(lattice.counters.n ?? {}) } : { image: JSON.stringify(values) }),
    _version: String(writes),
    _last_updated: formatStamp(stamp),
    _source_region: region,
    _tx_id: lattice.txId,
    _version_vector: JSON.stringify(vector),
    _incarnation: formatRanked(lattice.incarnation),
    _column_stamps: formatRegisters(lattice.registers),
    _counters: formatCounters(lattice.counters),
    __s: kind === 'row' ? 'public' : 'concord_public',
    __t: 'items',
  };
  const event = texts as unknown as Change['event'];
  const record = kafkaRecord(region, { key: null, value: null });
  return { ...version, table: 'public.items', key: '1', event, record };
}

/** Three regions write one row and join what they receive; returns all versions that anybody wrote. */
function play(script: readonly Step[]): Change[] {
  const written: Change[] = [];
  const stored = new Map<string, Change>();
  script.forEach((step, clock) => {
    const region = REGIONS[step.region] as string;
    const state = stored.get(region);
    const received = written[step.from % Math.max(1, written.length)];
    if (step.do === 'receive') {
      if (received !== undefined)
        stored.set(region, state === undefined ? received : mergeChanges(state, received).change);
    } else if (step.do !== 'delete' || state?.kind === 'row') {
      const change = writtenBy(region, step, state, Math.max(1, clock - (step.from % 3)), written.length);
      written.push(change);
      stored.set(region, change);
    }
  });
  return written;
}

function writtenBy(region: string, step: Step, state: Change | undefined, clock: number, number: number): Change {
  const row = state?.kind === 'row' ? state : undefined;
  const column = COLUMNS[step.column] as string;
  const version = nextLattice(step.do === 'delete' ? 'tombstone' : 'row', {
    region,
    clock,
    floor: 0,
    txId: String(number),
    row,
    tombstone: state?.kind === 'tombstone' ? state : undefined,
    changed: step.do === 'write' && row !== undefined ? [column] : [],
    increments: step.do === 'add' || row === undefined ? { n: step.amount } : {},
  });
  const before = COLUMNS.flatMap((name) => name.split(',')).map((name) => [name, row && textOf(row.event, name)]);
  const set = step.do === 'write' ? column.split(',').map((name) => [name, `${name}${number}`]) : [];
  const known = before.filter(([, text]) => text !== undefined);
  return changeOf(version, Object.fromEntries([...known, ...set]));
}

const textOf = (event: Change['event'], name: string): unknown =>
  Object.hasOwn(event, name) ? event[name] : undefined;

const joined = (versions: readonly Change[]): Change => groupOf(versions as [Change, ...Change[]]).winner;

/** All but whose record it goes by, and the order of names, which jsonb does not keep. */
function contentOf({ event, record: _, ...version }: Change): unknown {
  const texts = Object.entries(event).map(([name, text]) => [
    name,
    name.startsWith('_') && String(text).startsWith('{') ? JSON.parse(String(text)) : text,
  ]);
  return { version, texts: texts.sort(([x], [y]) => (String(x) < String(y) ? -1 : 1)) };
}

const histories = fc.tuple(steps, fc.infiniteStream(fc.nat(1000)), fc.integer({ min: 1, max: 5 }));

describe('joined versions of a lattice row, with their texts,', () => {
  const each = (check: (written: Change[], other: Change[], size: number) => void): void =>
    holds(
      fc.property(histories, ([script, ranks, size]) => {
        const written = play(script);
        if (written.length === 0) return;
        const ranked = written.map((change) => [ranks.next().value as number, change] as const);
        check(
          written,
          ranked.toSorted(([x], [y]) => x - y).map(([, change]) => change),
          size,
        );
      }),
    );

  test('are the same in any order', () => {
    each((written, other) => assert.deepEqual(contentOf(joined(other)), contentOf(joined(written))));
  });

  test('are the same in any batches, duplicates included', () => {
    each((written, other, size) => {
      const batches: Change[] = [];
      for (let at = 0; at < other.length; at += size) batches.push(joined(other.slice(at, at + size)));
      assert.deepEqual(contentOf(joined([...batches, ...written.slice(0, size)])), contentOf(joined(written)));
    });
  });

  test('show each column’s latest write, and the sum of what was added', () => {
    each((written) => {
      const { kind, lattice, event } = joined(written);
      if (kind === 'tombstone' || lattice === undefined) return;
      const alive = written.filter((change) => compareLives(change, joined(written)) === 0);
      for (const column of ['a', 'b', 'c', '__proto__']) {
        const latest = registerOf(lattice, column);
        const writer = alive.find(({ stamp, region }) => stamp === latest.stamp && region === latest.region);
        if (writer !== undefined) assert.equal(textOf(event, column), textOf(writer.event, column), column);
      }
      assert.equal(event.n, counterValue(lattice.counters.n ?? {}));
    });
  });

  test('say in their texts what they are', () => {
    each((written) => {
      const change = joined(written);
      const read = withTags({ ...change, lattice: undefined }, TABLE);
      assert.ok(!('column' in read));
      assert.deepEqual(read.lattice, change.lattice);
      assert.deepEqual(JSON.parse(change.event._version_vector), change.vector);
      assert.deepEqual(
        [change.event._last_updated, change.event._source_region],
        [formatStamp(change.stamp), change.region],
      );
    });
  });

  test('go by the record of a version that is in them', () => {
    each((written) => {
      const { winner, others } = groupOf(written as [Change, ...Change[]]);
      assert.ok(written.some(({ record }) => record === winner.record));
      assert.equal(others.length, written.length - 1);
    });
  });
});
