import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bonusMs, isLattice, parseTopology, type TableEntry, type Topology, tableEntry } from '@concord/events';

const base = {
  version: 1,
  hub: 'us-east-1',
  regions: [
    { name: 'us-east-1', slot: 0 },
    { name: 'eu-west-1', slot: 1 },
  ],
  priority: { 'us-east-1': 5000 },
};
const withTable = (table: object, more: object = {}): object => ({
  ...base,
  ...more,
  tables: [{ name: 'a.b', ...table }],
});
const withRegion = (more: object): object => ({
  ...base,
  tables: [],
  regions: [base.regions[0], { ...base.regions[1], ...more }],
});

function parsed(file: unknown): Topology {
  const result = parseTopology(file);
  assert.ok(result.ok, JSON.stringify(result));
  return result.topology;
}

describe('a table of the topology', () => {
  const cases: [name: string, table: object, entry: Partial<TableEntry>, lattice: boolean][] = [
    ['lww', { policy: 'lww' }, { delete: 'lww' }, false],
    ['priority', { policy: 'priority' }, { policy: 'priority', delete: 'lww' }, false],
    ['priority whose deletes win', { policy: 'priority', delete: 'wins' }, { delete: 'wins' }, true],
    ['lww whose deletes win', { delete: 'wins' }, { policy: 'lww', delete: 'wins' }, true],
    ['merge', { policy: 'merge' }, { policy: 'merge', delete: 'wins' }, true],
    ['merge that says what it must', { policy: 'merge', delete: 'wins' }, { delete: 'wins' }, true],
    [
      'merge with groups',
      { policy: 'merge', groups: [['street', 'city']] },
      { groups: [['street', 'city']], delete: 'wins' },
      true,
    ],
    ['counters', { counters: ['n'] }, { policy: 'lww', counters: ['n'], delete: 'wins' }, true],
    ['counters with priority', { policy: 'priority', counters: ['n'] }, { policy: 'priority', delete: 'wins' }, true],
    ['review and rollout', { review: 'manual', rollout: 'shadow' }, { review: 'manual', rollout: 'shadow' }, false],
  ];
  for (const [name, table, entry, lattice] of cases)
    test(name, () => {
      const [found] = parsed(withTable(table)).tables;
      assert.ok(found);
      assert.deepEqual(found, { ...tableEntry({ name: 'a.b' }), ...table, ...entry });
      assert.equal(isLattice(found), lattice);
    });
  test('survives being written and read again, with all defaults', () => {
    for (const [, table] of cases) {
      const topology = parsed(withTable(table));
      assert.deepEqual(parsed(JSON.parse(JSON.stringify({ version: 1, ...topology }))), topology);
    }
  });
  test('has the bonus of its region only with policy priority, and by the name of a region', () => {
    const topology = parsed(withTable({ policy: 'priority' }));
    const [entry] = topology.tables;
    assert.ok(entry);
    assert.equal(bonusMs(topology, entry, 'us-east-1'), 5000);
    assert.equal(bonusMs(topology, entry, 'eu-west-1'), 0);
    assert.equal(bonusMs(topology, entry, 'constructor'), 0);
    assert.equal(bonusMs(topology, { ...entry, policy: 'lww' }, 'us-east-1'), 0);
  });
});

describe('refused, with path, reason and hint', () => {
  const cases: [name: string, file: object, path: string, says: RegExp][] = [
    ['an unknown policy', withTable({ policy: 'newest' }), '/tables/0/policy', /one of lww, priority, merge/],
    ['an unknown delete', withTable({ delete: 'loses' }), '/tables/0/delete', /one of wins, lww/],
    ['an unknown review', withTable({ review: 'mail' }), '/tables/0/review', /one of log, alert, manual/],
    ['an unknown rollout', withTable({ rollout: 'on' }), '/tables/0/rollout', /one of off, shadow, live/],
    ['groups with lww', withTable({ groups: [['a', 'b']] }), '/tables/0/groups', /no meaning with policy lww.*"merge"/],
    [
      'groups with priority',
      withTable({ policy: 'priority', groups: [['a', 'b']] }),
      '/tables/0/groups',
      /no meaning with policy priority/,
    ],
    ['a group of one', withTable({ policy: 'merge', groups: [['a']] }), '/tables/0/groups/0', /fewer than 2/],
    [
      'a column in two groups',
      withTable({
        policy: 'merge',
        groups: [
          ['a', 'b'],
          ['c', 'b'],
        ],
      }),
      '/tables/0/groups/1/1',
      /'b' is in group 0 too.*join the two/,
    ],
    [
      'a column twice in one group',
      withTable({ policy: 'merge', groups: [['a', 'b', 'a']] }),
      '/tables/0/groups/0/2',
      /'a' is twice in this group/,
    ],
    [
      'a counter in a group',
      withTable({ policy: 'merge', groups: [['a', 'n']], counters: ['n'] }),
      '/tables/0/groups/0/1',
      /'n' is a counter/,
    ],
    ['a counter twice', withTable({ counters: ['n', 'm', 'n'] }), '/tables/0/counters/2', /'n' is there twice/],
    ['a counter without name', withTable({ counters: [''] }), '/tables/0/counters/0', /./],
    ['a comma in a group', withTable({ policy: 'merge', groups: [['a,b', 'c']] }), '/tables/0/groups/0/0', /one name/],
    ['all columns as a group', withTable({ policy: 'merge', groups: [['a', '*']] }), '/tables/0/groups/0/1', /'\*'/],
    ...['_version', '_local', '_claim', '_incarnation', '_column_stamps', '_counters', '__op'].map(
      (column): [string, object, string, RegExp] => [
        `${column} in a group`,
        withTable({ policy: 'merge', groups: [['a', column]] }),
        '/tables/0/groups/0/1',
        /Concord's own/,
      ],
    ),
    ['_version as a counter', withTable({ counters: ['_version'] }), '/tables/0/counters/0', /Concord's own/],
    [
      'delete lww with merge',
      withTable({ policy: 'merge', delete: 'lww' }),
      '/tables/0/delete',
      /refused with merge: a lattice's deletes are absorbing/,
    ],
    [
      'delete lww with counters',
      withTable({ counters: ['n'], delete: 'lww' }),
      '/tables/0/delete',
      /refused with counters: a lattice's deletes are absorbing/,
    ],
    [
      'priority without bonuses',
      withTable({ policy: 'priority' }, { priority: {} }),
      '/tables/0/policy',
      /no region has a bonus.*or take lww/,
    ],
    [
      'priority where all bonuses are 0',
      withTable({ policy: 'priority' }, { priority: { 'us-east-1': 0 } }),
      '/tables/0/policy',
      /no region has a bonus/,
    ],
    [
      'a bonus of nobody',
      withTable({}, { priority: { 'us-east-1': 1, 'ap-1': 9 } }),
      '/priority/ap-1',
      /'ap-1' is not a region.*one of us-east-1, eu-west-1/,
    ],
    [
      'a bonus of what cannot be a region',
      withTable({}, { priority: { US: 9 } }),
      '/priority/US',
      /'US' is not a region/,
    ],
    ['a bonus below 0', withTable({}, { priority: { 'us-east-1': -1 } }), '/priority/us-east-1', />= 0/],
    ['a bonus over a day', withTable({}, { priority: { 'us-east-1': 86_400_001 } }), '/priority/us-east-1', /86400000/],
    ['a table of one region', withRegion({ tables: ['a.b'] }), '/regions/1/tables', /list them once/],
    ['a policy of one region', withRegion({ policy: 'merge' }), '/regions/1/policy', /all regions follow one rule/],
    ['policies of one region', withRegion({ policies: {} }), '/regions/1/policies', /all regions follow one rule/],
    ['groups of one region', withRegion({ groups: [] }), '/regions/1/groups', /all regions follow one rule/],
    ['counters of one region', withRegion({ counters: [] }), '/regions/1/counters', /all regions follow one rule/],
    ['deletes of one region', withRegion({ delete: 'wins' }), '/regions/1/delete', /all regions follow one rule/],
    ['review of one region', withRegion({ review: 'log' }), '/regions/1/review', /all regions follow one rule/],
    ['a bonus in a region', withRegion({ priority: 1 }), '/regions/1/priority', /stand at the top, by region/],
    ['rollout in a region', withRegion({ rollout: 'off' }), '/regions/1/rollout', /concord rollout/],
    ['limits of one region', withRegion({ limits: {} }), '/regions/1/limits', /once, at the top/],
    ['regions of one table', withTable({ regions: ['us-east-1'] }), '/tables/0/regions', /one rule/],
    ['overrides of a table', withTable({ overrides: {} }), '/tables/0/overrides', /one rule/],
    ['a bonus in a table', withTable({ priority: 5 }), '/tables/0/priority', /set "policy": "priority"/],
    ['a counter in the singular', withTable({ counter: 'n' }), '/tables/0/counter', /"counters": \["stock"\]/],
    ['unique as a setting', withTable({ unique: ['email'] }), '/tables/0/unique', /the catalogue tells them/],
  ];
  for (const [name, file, path, says] of cases)
    test(name, () => {
      const result = parseTopology(file);
      assert.ok(!result.ok);
      assert.deepEqual(
        result.problems.map((problem) => problem.path),
        [path],
      );
      const [problem] = result.problems;
      assert.match(`${problem?.reason}. ${problem?.hint}`, says);
      assert.notEqual(problem?.hint, '');
    });
});
