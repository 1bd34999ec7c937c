import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RunInput } from '@concord/events';
import { names, readStored } from '../../functions/reconcile/stored.ts';
import { drop, found, reconcile, type Three, three } from '../support/three-regions.ts';

describe('what cannot be compared', () => {
  const refused = (input: RunInput, reason: RegExp) => assert.rejects(reconcile(three(), input), reason);

  test('a table that the topology does not know is refused', () =>
    refused({ tables: ['public.nope'] }, /not in the topology: public.nope; its tables are public.items/));

  const cases: readonly (readonly [string, (all: Three) => unknown, verdict: string, reason: RegExp])[] = [
    [
      'a region that cannot be reached',
      ({ ap }) => Object.assign(ap, { fails: () => new Error('no route') }),
      'incomplete',
      /ap-1 cannot be reached: no route/,
    ],
    [
      'another topology',
      ({ ap }) => Object.assign(ap, { state: { topology: 'other' } }),
      'incomplete',
      /ap-1 runs another version of the topology/,
    ],
    [
      'a region that never announced',
      ({ ap }) => Object.assign(ap, { state: { closedUs: 0 } }),
      'incomplete',
      /ap-1 never announced.*heartbeats do not run/,
    ],
    [
      'the database of another region',
      ({ ap }) => Object.assign(ap, { state: { region: 'xx-1' } }),
      'incomplete',
      /works on the database of xx-1/,
    ],
    [
      'a table that is not enrolled',
      ({ ap }) => Object.assign(ap, { table: undefined }),
      'schema',
      /public.items is not enrolled in ap-1/,
    ],
    [
      'a table in shadow',
      ({ ap }) => Object.assign(ap, { table: { rollout: 'shadow' } }),
      'schema',
      /in shadow in ap-1/,
    ],
    [
      'another primary key',
      ({ ap }) => Object.assign(ap, { table: { key: ['label'] } }),
      'schema',
      /the primary key of public.items is \(label text\) in ap-1/,
    ],
    [
      'a key of another type',
      ({ ap }) =>
        Object.assign(ap, {
          table: {
            columns: [
              { name: 'id', type: 'bigint', generated: false },
              { name: 'label', type: 'text', generated: false },
            ],
          },
        }),
      'schema',
      /the primary key of public.items is \(id bigint\) in ap-1, and \(id text\) in us-1/,
    ],
    [
      'a column of another type',
      ({ ap }) =>
        Object.assign(ap, {
          table: {
            columns: [
              { name: 'id', type: 'text', generated: false },
              { name: 'label', type: 'text collate "C"', generated: false },
            ],
          },
        }),
      'schema',
      /column label of public.items is text in us-1, eu-1 and text collate "C" in ap-1/,
    ],
    ['another policy', ({ ap }) => Object.assign(ap, { table: { lattice: true } }), 'schema', /its policy differs/],
  ];
  for (const [what, wrong, verdict, reason] of cases)
    test(`${what}: ${verdict}, and the others are compared among themselves`, async () => {
      const all = three();
      wrong(all);
      const equal = await reconcile(all);
      assert.deepEqual([equal.verdict, equal.tables[0]?.verdict], [verdict, verdict]);
      assert.match([...equal.errors, ...equal.tables.flatMap(({ schema }) => schema)].join('\n'), reason);
      drop(all.eu, 'k11');
      const report = await reconcile(all);
      assert.equal(report.verdict, verdict);
      assert.match(found(report).join(), /^k11 diverged eu-1:missing$/);
    });

  test('a region where the table is not live is not asked for digests', async () => {
    const all = three();
    all.ap.table = { rollout: 'shadow' };
    await reconcile(all, { repair: true });
    assert.ok(!all.ap.asked.includes('digest'));
  });

  test('a suspended region is compared, and the report says that it is suspended', async () => {
    const all = three();
    all.ap.state = { suspended: 'restored' };
    drop(all.ap, 'k11');
    const report = await reconcile(all, { repair: true });
    assert.match(report.errors.join(), /ap-1 is suspended: restored/);
    assert.deepEqual(report.tables[0]?.after, { verdict: 'match', differences: 0 });
  });

  test('servers that hash differently are compared by text', async () => {
    const all = three();
    all.ap.state = { selfTest: 'another' };
    await reconcile(all, {}, 'by-text');
    const plan = await readStored<{ tables: { reading: { hashing: string } }[] }>(
      all.context.store,
      names.plan('by-text'),
    );
    assert.equal(plan?.tables[0]?.reading.hashing, 'text');
  });
});
