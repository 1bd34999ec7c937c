import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseTopology, type RegionState, type RepairVersion, type StoredVersion } from '@concord/events';
import { checkVersion } from '../../functions/apply/check-version.ts';
import { load, type Page, type Position } from '../../functions/lifecycle/load.ts';
import { hadBy, originOf } from '../../functions/lifecycle/rejoin.ts';
import { whyNotLoadable } from '../../functions/lifecycle/target.ts';

const version = (id: number): RepairVersion => ({ place: 'row', event: { id: String(id) } });

/** Pages of two, keys 0 … count − 1. */
const pagesOf =
  (count: number) =>
  async ({ from }: { readonly from: readonly string[] | null }): Promise<Page> => {
    const first = Number(from?.[0] ?? 0);
    const versions = [first, first + 1].filter((id) => id < count).map(version);
    return { versions, next: first + 2 < count ? [String(first + 2)] : null };
  };

describe('a load', () => {
  test('sends every page once, in order, and keeps a position only after its page was written', async () => {
    const steps: string[] = [];
    const loaded = await load({
      read: pagesOf(5),
      write: async (versions) => void steps.push(`write ${versions.map(({ event }) => event.id)}`),
      keep: async ({ after, versions }) => void steps.push(`keep ${after} ${versions}`),
    });
    assert.deepEqual(loaded, { versions: 5, end: 'done' });
    assert.deepEqual(steps, ['write 0,1', 'keep 2 2', 'write 2,3', 'keep 4 4', 'write 4']);
  });

  test('goes on from a position', async () => {
    const written: unknown[] = [];
    const options = {
      read: pagesOf(6),
      write: async (versions: readonly RepairVersion[]) => void written.push(...versions.map(({ event }) => event.id)),
      keep: async () => undefined,
    };
    assert.deepEqual(await load({ ...options, from: { after: ['4'], versions: 4 } }), { versions: 6, end: 'done' });
    assert.deepEqual(written, ['4', '5']);
  });

  test('reads one page ahead while one is written, and never two', async () => {
    let [reads, writes, most] = [0, 0, 0];
    await load({
      read: async (range) => {
        reads++;
        most = Math.max(most, reads - writes);
        return pagesOf(20)(range);
      },
      write: async () => {
        assert.equal(reads - writes, writes < 9 ? 2 : 1);
        await Promise.resolve();
        writes++;
      },
      keep: async () => undefined,
    });
    assert.deepEqual([reads, writes, most], [10, 10, 2]);
  });

  test('a page that was not written is not kept; a page that cannot be read is told in its turn', async () => {
    const kept: Position[] = [];
    const keep = async (position: Position): Promise<void> => void kept.push(position);
    const write = async (versions: readonly RepairVersion[]): Promise<void> => {
      if (versions[0]?.event.id === '2') throw new Error('away');
    };
    await assert.rejects(load({ read: pagesOf(6), write, keep }), /away/);
    assert.deepEqual(kept, [{ after: ['2'], versions: 2 }]);
    const read = async (range: { readonly from: readonly string[] | null }): Promise<Page> => {
      if (range.from !== null) throw new Error('gone');
      return pagesOf(6)(range);
    };
    await assert.rejects(load({ read, write: async () => undefined, keep }), /gone/);
    assert.equal(kept.length, 2);
  });
});

const state = (region: string, closedUs: number, applied: RegionState['applied']): RegionState => ({
  ...{ region, closedUs, applied, server: '', topology: '', selfTest: '', suspended: null, tables: {} },
});

describe('whether the others have had a row', () => {
  const had = hadBy([state('a#2', 100, { b: [90, 80], c: [50, 60] }), state('b', 70, { a: [10, 10], c: [0, 40] })]);
  for (const [name, stampUs, region, expected] of [
    ['its region stands below its own closed timestamp', 99, 'a', true],
    ['or of another incarnation', 99, 'a#2', true],
    ['not what was stamped at it: that may still be on its way', 100, 'a', false],
    ['what one of them has applied of all partitions', 49, 'c', true],
    ['not what only some partitions have', 55, 'c', false],
    ['rows of before enrolment were everywhere', 0, '', true],
    ['nothing is known of a region that nobody heard', 1, 'x', false],
  ] as const)
    test(name, () => assert.equal(had({ stampUs, region }), expected));

  test('a row of a lattice table is as old as its insert', () => {
    const stored = (event: Record<string, string | null>) =>
      ({ stampUs: 7, region: 'b', event }) as unknown as StoredVersion;
    assert.deepEqual(originOf(stored({ _incarnation: '[5, "a"]' })), { stampUs: 5, region: 'a' });
    assert.deepEqual(originOf(stored({ _incarnation: null })), { stampUs: 7, region: 'b' });
    assert.deepEqual(originOf(stored({})), { stampUs: 7, region: 'b' });
  });
});

const column = (name: string, type = 'text', generated = false) => ({ name, type, generated });
const tableState = (more: object) => ({
  ...{ rollout: 'live' as const, lattice: false, key: ['id'], rows: 0, horizonUs: 0, unsettled: 0, parked: 0 },
  ...{ oldestParkedUs: null, held: 0, columns: [column('id', 'bigint')] },
  ...more,
});

test('a table is loaded only where nothing would be missing, and into the same columns', () => {
  const source = tableState({ columns: [column('id', 'bigint'), column('v'), column('g', 'text', true)] });
  assert.deepEqual(whyNotLoadable(source, { ...source, rollout: 'shadow' }).length, 1);
  assert.deepEqual(whyNotLoadable(source, source), []);
  assert.deepEqual(whyNotLoadable(source, { ...source, columns: [column('id', 'bigint'), column('v')] }), []);
  assert.match(whyNotLoadable(source, tableState({}))[0] ?? '', /lacks column v/);
  assert.match(whyNotLoadable(source, { ...source, key: ['v'] })[0] ?? '', /primary keys differ/);
  assert.match(whyNotLoadable(source, { ...source, lattice: true })[0] ?? '', /another kind of policy/);
  assert.match(whyNotLoadable(undefined, source)[0] ?? '', /not enrolled at the source/);
});

describe('a region that left', () => {
  const file = (formerRegions: readonly object[]) => ({
    ...{
      version: 1,
      hub: 'a',
      regions: [
        { name: 'a', slot: 0 },
        { name: 'b', slot: 2 },
      ],
      tables: [],
      formerRegions,
    },
  });
  test('is still known to versions', () => {
    const result = parseTopology(file([{ name: 'gone', slot: 1 }]));
    assert.ok(result.ok);
    const context = { topology: result.topology, now: 10 };
    const seen = (region: string) => ({
      kind: 'row' as const,
      stamp: 9,
      region: 'b',
      vector: { [region]: 3, b: 9 },
      writes: 1,
    });
    assert.equal(checkVersion(seen('gone#2'), 'cdc.b', context), undefined);
    assert.equal(checkVersion(seen('never'), 'cdc.b', context)?.[0], 'foreign_region');
  });
  test('keeps its name and its slot', () => {
    for (const [former, path] of [
      [{ name: 'gone', slot: 2 }, '/formerRegions/0/slot'],
      [{ name: 'b', slot: 1 }, '/formerRegions/0/name'],
    ] as const) {
      const result = parseTopology(file([former]));
      assert.equal(result.ok ? '' : result.problems[0]?.path, path);
    }
  });
});
