import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseTopology } from '@concord/events';

const FILE = new URL('../../concord.json', import.meta.url);

const good = {
  version: 1,
  hub: 'us-east-1',
  regions: [
    { name: 'us-east-1', slot: 0 },
    { name: 'eu-west-1', slot: 5 },
  ],
  tables: [{ name: 'public.users' }, { name: 'public.orders', policy: 'lww' }],
};

const NO_POLICY = { policy: 'lww', groups: [], counters: [], delete: 'lww', review: 'log', rollout: 'live' };

describe('a topology', () => {
  test('the reference topology is one', () => {
    const result = parseTopology(JSON.parse(readFileSync(FILE, 'utf8')));
    assert.ok(result.ok);
    assert.equal(result.topology.regions.length, 8);
  });
  test('has the policy lww, topics and limits where it says nothing', () => {
    const result = parseTopology(good);
    assert.ok(result.ok);
    assert.deepEqual(result.topology, {
      hub: good.hub,
      regions: good.regions,
      formerRegions: [],
      priority: {},
      tables: ['public.users', 'public.orders'].map((name) => ({
        ...NO_POLICY,
        name,
      })),
      topics: { partitions: 8, retentionHours: 168 },
      limits: {
        driftLimitMs: 900_000,
        maxRegions: 32,
        lockTimeoutMs: 2000,
        maxRecordBytes: 5_242_880,
        maxAttempts: 3,
        parkedAttempts: 200,
        conflictDays: 90,
      },
    });
  });
  test('has its own limits beside the usual ones', () => {
    const result = parseTopology({ ...good, limits: { maxRegions: 6 } });
    assert.ok(result.ok);
    assert.deepEqual([result.topology.limits.maxRegions, result.topology.limits.maxAttempts], [6, 3]);
  });
});

const [first, second] = good.regions;

describe('a problem of a topology has its path, a reason and a hint', () => {
  const cases: [name: string, file: unknown, path: string, says: RegExp][] = [
    ['no object', 'text', '/', /./],
    ['another version', { ...good, version: 2 }, '/version', /reads version 1/],
    ['a name that means nothing', { ...good, region: 'x' }, '/region', /does not belong here/],
    ['two hubs', { ...good, hub: ['us-east-1', 'eu-west-1'] }, '/hub', /must be string.*there is one hub/],
    ['a second hub', { ...good, regions: [first, { ...second, hub: true }] }, '/regions/1/hub', /there is one hub/],
    [
      'tables of one region',
      { ...good, regions: [first, { ...second, tables: [] }] },
      '/regions/1/tables',
      /does not belong here.*the same tables: list them once/,
    ],
    ['no regions', { ...good, regions: [] }, '/regions', /./],
    ['a region in capitals', { ...good, regions: [first, { name: 'EU', slot: 1 }] }, '/regions/1/name', /./],
    ['a slot below 0', { ...good, regions: [{ ...first, slot: -1 }] }, '/regions/0/slot', /./],
    ['a slot that is no integer', { ...good, regions: [{ ...first, slot: 0.5 }] }, '/regions/0/slot', /./],
    ['a table without schema', { ...good, tables: [{ name: 'users' }] }, '/tables/0/name', /./],
    ['a table with two dots', { ...good, tables: [{ name: 'a.b.c' }] }, '/tables/0/name', /./],
    [
      'an unknown policy',
      { ...good, tables: [{ name: 'a.b', policy: 'last' }] },
      '/tables/0/policy',
      /one of lww, priority, merge/,
    ],
    ['a limit too low', { ...good, limits: { driftLimitMs: 1 } }, '/limits/driftLimitMs', /./],
    ['too many regions', { ...good, limits: { maxRegions: 1025 } }, '/limits/maxRegions', /./],
    ['a hub that is no region', { ...good, hub: 'ap-1' }, '/hub', /'ap-1'.*one of us-east-1, eu-west-1/],
    [
      'a region twice',
      { ...good, regions: [first, { ...first, slot: 1 }] },
      '/regions/1/name',
      /'us-east-1' is there twice/,
    ],
    [
      'a slot twice',
      { ...good, regions: [first, { ...second, slot: 0 }] },
      '/regions/1/slot',
      /slot 0 is taken.*same ids/,
    ],
    ['a slot too high', { ...good, limits: { maxRegions: 5 } }, '/regions/1/slot', /slot 5 is not below maxRegions 5/],
    [
      'a table twice',
      { ...good, tables: [{ name: 'a.b' }, { name: 'a.b' }] },
      '/tables/1/name',
      /'a.b' is there twice/,
    ],
  ];
  for (const [name, file, path, says] of cases)
    test(name, () => {
      const result = parseTopology(file);
      assert.ok(!result.ok);
      const problem = result.problems.find((each) => each.path === path);
      assert.ok(problem, JSON.stringify(result.problems));
      assert.match(`${problem.reason}. ${problem.hint}`, says);
      assert.notEqual(problem.hint, '');
    });
  test('all problems are told at once', () => {
    const file = { ...good, hub: 'x', regions: [first, first], tables: [{ name: 'a.b' }, { name: 'a.b' }] };
    const result = parseTopology(file);
    assert.ok(!result.ok);
    assert.deepEqual(
      result.problems.map(({ path }) => path),
      ['/hub', '/regions/1/name', '/regions/1/slot', '/tables/1/name'],
    );
  });
});
