import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { accountProblems, topicProblems } from '../probe/accounts.ts';
import { readArguments } from '../probe/arguments.ts';
import { costUsd, hourlyUsd, REGION_INVENTORY } from '../probe/cost.ts';
import { connectorDifferences, differencesFrom, mappingDifferences } from '../probe/described.ts';
import { differencesOf, linesOf } from '../probe/equality.ts';
import { allFacts, FACTS, factOf, verdictOf, verdictText } from '../probe/facts.ts';
import { inOrder, leftoversOf, leftoversOfArns } from '../probe/leftovers.ts';
import { changesIn, stackNamesOf, topologyFor } from '../probe/plan.ts';
import { isYes } from '../probe/refusals.ts';
import { probedRegion } from '../probe/region.ts';
import { schemaStatements } from '../probe/schema.ts';
import { STEPS } from '../probe/story/story.ts';
import { PROBE_TAG } from '../probe/tear-down.ts';
import { until, WaitedInVain } from '../probe/wait.ts';
import { ACCOUNT, PHASES, REGIONS, RESOURCES, RUN, waiting } from '../support/probed.ts';

describe('arguments', () => {
  const options = (...words: string[]) => {
    const read = readArguments(words);
    assert.equal(read.kind, 'options', JSON.stringify(read));
    return read.kind === 'options' ? read.options : assert.fail();
  };

  test('have defaults that ask and tear down', () => {
    assert.deepEqual(options(), {
      regions: ['us-east-1', 'us-west-2'],
      ...{ json: false, keep: false, yes: false, destroy: false },
    });
  });

  test('are read', () => {
    const { regions, account, json } = options('--regions', 'eu-west-1, eu-central-1', '--account', ACCOUNT, '--json');
    assert.deepEqual({ regions, account, json }, { regions: [...REGIONS], account: ACCOUNT, json: true });
    assert.equal(readArguments(['--help']).kind, 'help');
  });

  for (const words of [
    ['--regions', 'us-east-1'],
    ['--regions', 'us-east-1,us-east-1'],
    ['--regions', 'a,b,c'],
    ['--regions', 'Us-East-1,us-west-2'],
    ['--account', '123'],
    ['--keep', '--destroy'],
    ['--unknown'],
    ['positional'],
  ])
    test(`refuse ${words.join(' ')} with a hint`, () => {
      const read = readArguments(words);
      assert.equal(read.kind, 'refused');
      assert.ok(read.kind === 'refused' && read.message !== '' && read.hint !== '');
    });

  test('only yes, typed out, is yes', () => {
    assert.deepEqual(['yes', ' YES\n', 'y', '', 'no'].map(isYes), [true, true, false, false, false]);
  });
});

describe('cost', () => {
  test('is hours × units × price, to the cent', () => {
    assert.equal(hourlyUsd({ 'MSK broker': 3, 'interface endpoint': 3 }).toFixed(3), '0.642');
    assert.equal(costUsd(2, 1.5, { 'MSK broker': 3 }), 1.84);
    assert.equal(costUsd(2, 0), 0);
  });

  test('of a region counts what the probe deploys', () => {
    assert.equal(REGION_INVENTORY['MSK broker'], 3);
    assert.ok(hourlyUsd(REGION_INVENTORY) > 1 && hourlyUsd(REGION_INVENTORY) < 5);
  });
});

describe('verdict', () => {
  const findings = { regions: REGIONS, account: ACCOUNT, hours: 2.5, costUsd: 12.3, stopped: null, remains: [] };
  const every = allFacts([]).map(({ id }) => factOf(id, [], 'seen'));

  test('is proved only if every fact is', () => {
    assert.equal(verdictOf({ ...findings, found: every }).verdict, 'proved');
    assert.equal(verdictOf({ ...findings, found: every.slice(1) }).verdict, 'incomplete');
    assert.equal(verdictOf({ ...findings, found: every, stopped: 'why' }).verdict, 'incomplete');
  });

  test('is refuted by one fact, whatever else is open', () => {
    const found = [factOf('equal', ['row 1 differs'], '')];
    assert.equal(verdictOf({ ...findings, found, stopped: 'why' }).verdict, 'refuted');
  });

  test('names every fact in order, those that nobody looked at too', () => {
    const { facts } = verdictOf({ ...findings, found: [] });
    assert.deepEqual(
      facts.map(({ id }) => id),
      Object.keys(FACTS),
    );
    assert.ok(facts.every(({ verdict }) => verdict === 'unproved'));
  });

  test('is printed with the cost and what remains', () => {
    const text = verdictText(
      verdictOf({ ...findings, found: every, stopped: 'deploying failed', remains: ['eu-west-1: key k-1'] }),
    );
    for (const part of [
      '12.30 USD',
      '2.5 hours',
      'stopped early: deploying failed',
      '  eu-west-1: key k-1',
      FACTS.pinning,
    ])
      assert.ok(text.includes(part), part);
  });

  test('every fact is proved by a step or by the run itself', () => {
    const byRun = ['deployed', 'unchanged', 'removed'];
    assert.deepEqual([...STEPS.flatMap(({ proves }) => proves), ...byRun].sort(), Object.keys(FACTS).sort());
  });
});

describe('plan', () => {
  test('makes the ground, then the path, then the connectivity that a new cluster cannot have, then replicators', () => {
    const names = ({ words }: { words: readonly string[] }) => words.filter((word) => word.startsWith('Concord-'));
    assert.deepEqual(names(PHASES.path), [
      'Concord-eu-west-1/Enroll',
      'Concord-eu-west-1/Apply',
      'Concord-eu-west-1/Capture',
      'Concord-eu-central-1/Enroll',
      'Concord-eu-central-1/Apply',
      'Concord-eu-central-1/Capture',
    ]);
    assert.deepEqual(names(PHASES.connect), ['Concord-eu-west-1/Kafka', 'Concord-eu-central-1/Kafka']);
    assert.deepEqual(names(PHASES.replicate), [
      'Concord-eu-central-1/Replication',
      'Concord-hub/Operations',
      'Concord-hub/Replication',
    ]);
    const made = [PHASES.ground, PHASES.path, PHASES.connect, PHASES.replicate].flatMap(names);
    assert.deepEqual([...new Set(made)].sort(), [...names(PHASES.again)].sort());
  });

  test('tags everything with the run, and takes the probe’s own files', () => {
    for (const { words } of Object.values(PHASES)) {
      assert.ok(words.includes(`${PROBE_TAG}=${RUN}`));
      assert.ok(words.includes('topology=t.json'));
      assert.ok(words.includes('--exclusively'));
    }
    const deployments = Object.values(PHASES).map(({ words }) => words.find((word) => word.startsWith('deployment=')));
    assert.deepEqual(deployments, [
      ...['deployment=test/probe/deployment.ts', 'deployment=test/probe/deployment.ts'],
      ...Array(3).fill('deployment=test/probe/deployment-connected.ts'),
    ]);
  });

  test('names every stack that it makes, so that none is taken for its own', () => {
    const planned = Object.values(PHASES)
      .flatMap(({ words }) => words.filter((word) => word.startsWith('Concord-')))
      .map((word) => word.replace('/', '-'));
    const named = [...stackNamesOf(REGIONS[0], true), ...stackNamesOf(REGIONS[1], false)];
    assert.deepEqual(
      planned.filter((name) => !named.includes(name)),
      [],
    );
  });

  test('puts the regions into the topology', () => {
    const topology = JSON.parse(topologyFor({ version: 1, hub: 'x', tables: [] }, REGIONS));
    assert.deepEqual(topology, {
      ...{ version: 1, hub: 'eu-west-1', tables: [] },
      regions: [
        { name: 'eu-west-1', slot: 0 },
        { name: 'eu-central-1', slot: 1 },
      ],
    });
  });

  test('sees which stacks a second deployment changed, and which it did not come to', () => {
    const phase = { name: 'again', words: ['deploy', 'Concord-a/Kafka', 'Concord-a/Apply'] };
    const output = '\n ✅  Concord-a/Kafka (Concord-a-Kafka) (no changes)\n ✅  Concord-a/Apply (Concord-a-Apply)\n\n';
    assert.deepEqual(changesIn(phase, output), ['Concord-a/Apply was changed']);
    assert.deepEqual(changesIn(phase, output.slice(0, 60)), ['Concord-a/Apply: nothing was said of it']);
    assert.deepEqual(changesIn(phase, output.replace('Apply)', 'Apply) (no changes)')), []);
  });

  test('loads the schema statement by statement', () => {
    const statements = schemaStatements();
    assert.ok(statements.length > 15);
    assert.ok(statements.some((sql) => sql.includes('create trigger touch')));
    assert.ok(statements.every((sql) => sql.trim() !== ''));
  });
});

describe('what AWS describes', () => {
  const declared = {
    type: 'AWS::Lambda::EventSourceMapping',
    isKept: false,
    properties: {
      FunctionName: { Ref: 'Function' },
      EventSourceArn: { Ref: 'Cluster' },
      BatchSize: 10_000,
      Topics: ['cdc.a'],
      ProvisionedPollerConfig: { MinimumPollers: 1, MaximumPollers: 4 },
    },
  };

  test('may hold more than was declared, and anything for what CloudFormation fills in', () => {
    const described = {
      ...{ EventSourceArn: 'arn:x', BatchSize: 10_000, Topics: ['cdc.a'], State: 'Enabled' },
      ProvisionedPollerConfig: { MinimumPollers: 1, MaximumPollers: 4, PollerGroupName: 'x' },
    };
    assert.deepEqual(mappingDifferences(declared, described), []);
  });

  test('is told apart property by property', () => {
    const described = { BatchSize: 100, Topics: [], ProvisionedPollerConfig: { MinimumPollers: 1 } };
    assert.deepEqual(mappingDifferences(declared, described), [
      'EventSourceArn is missing',
      'BatchSize is 100, not 10000',
      'Topics is [], not ["cdc.a"]',
      'ProvisionedPollerConfig.MaximumPollers is undefined, not 4',
    ]);
    assert.deepEqual(differencesFrom([1, 2], [1, 3], 'x'), ['x[1] is 3, not 2']);
  });

  test('a connector has to run with our settings', () => {
    const connector = {
      type: 'AWS::KafkaConnect::Connector',
      isKept: false,
      properties: {
        ConnectorConfiguration: { 'snapshot.mode': 'no_data', 'database.hostname': { 'Fn::GetAtt': ['x', 'y'] } },
      },
    };
    const settings = { 'snapshot.mode': 'no_data', 'database.hostname': 'h' };
    assert.deepEqual(connectorDifferences(connector, { state: 'RUNNING', settings }), []);
    const [state, setting] = connectorDifferences(connector, {
      state: 'FAILED',
      settings: { ...settings, 'snapshot.mode': 'initial' },
    });
    assert.equal(state, 'the connector is FAILED');
    assert.match(setting ?? '', /^snapshot.mode is initial: rows that another region wrote/);
  });
});

describe('comparison', () => {
  test('reads page by page until one is not full', async () => {
    const all = Array.from({ length: 1100 }, (_, index) => `row ${String(index).padStart(4, '0')}`);
    const query = async (statement: string) => {
      const offset = Number(/offset (\d+)$/.exec(statement)?.[1]);
      return all.slice(offset, offset + 500).map((line) => ({ line }));
    };
    assert.deepEqual(await linesOf(query, 'users'), all);
  });

  test('names what only one side has, and not all of it', () => {
    assert.deepEqual(differencesOf('t', [['a'], ['a']], ['x', 'y']), []);
    assert.deepEqual(
      differencesOf(
        't',
        [
          ['a', 'b'],
          ['a', 'c'],
        ],
        ['x', 'y'],
      ),
      ['t, only in x: b', 't, only in y: c'],
    );
    assert.equal(differencesOf('t', [['1', '2', '3', '4', '5'], []], ['x', 'y']).at(-1), 't, only in x: and 2 more');
  });

  test('of accounts', () => {
    const account = { topic: 'cdc.a', partition: 0, nextOffset: 9, received: 5, applied: 3, superseded: 1, held: 0 };
    assert.deepEqual(accountProblems('b', [{ ...account, parked: 1 }], 5), []);
    assert.match(accountProblems('b', [{ ...account, parked: 0 }], 5)[0] ?? '', /do not add up/);
    assert.match(accountProblems('b', [{ ...account, parked: 1 }], 6)[0] ?? '', /at least 6 changes/);
    assert.deepEqual(topicProblems('b', [{ ...account, parked: 1 }], 'cdc.a'), []);
    assert.deepEqual(topicProblems('b', [{ ...account, parked: 1 }], 'cdc.c'), [
      'b has seen nothing of cdc.c',
      'b has read cdc.a',
    ]);
  });
});

describe('leftovers', () => {
  test('are found by type, and unknown ones are said', () => {
    const { leftovers, unknown } = leftoversOf([
      ...(RESOURCES.Kafka ?? []),
      { logicalId: 'X', type: 'AWS::New::Thing', physicalId: 'x' },
    ]);
    assert.deepEqual(leftovers, [
      { kind: 'kafka-cluster', id: 'arn:aws:kafka:x:1:cluster/c/1' },
      { kind: 'key', id: 'key-1' },
    ]);
    assert.deepEqual(unknown, ['AWS::New::Thing x']);
  });

  test('are found by tagged ARNs; what goes with its stack is left out', () => {
    const arns = [
      'arn:aws:s3:::bucket-1',
      'arn:aws:kms:eu-west-1:1:key/k',
      'arn:aws:rds:eu-west-1:1:cluster:c',
      'arn:aws:rds:eu-west-1:1:cluster-snapshot:s',
      'arn:aws:secretsmanager:eu-west-1:1:secret:name-AbCdEf',
      'arn:aws:logs:eu-west-1:1:log-group:/aws/x:*',
      'arn:aws:lambda:eu-west-1:1:function:f',
      'arn:aws:ec2:eu-west-1:1:vpc/v',
    ];
    assert.deepEqual(
      leftoversOfArns(arns).map(({ kind, id }) => `${kind} ${id}`),
      [
        'bucket bucket-1',
        'key k',
        'db-cluster c',
        'db-cluster-snapshot s',
        'secret arn:aws:secretsmanager:eu-west-1:1:secret:name-AbCdEf',
        'log-group /aws/x',
      ],
    );
  });

  test('go in order, each once, keys last', () => {
    const order = inOrder([
      { kind: 'key', id: 'k' },
      { kind: 'db-cluster', id: 'c' },
      { kind: 'key', id: 'k' },
      { kind: 'bucket', id: 'b' },
      { kind: 'db-instance', id: 'i' },
    ]);
    assert.deepEqual(
      order.map(({ kind }) => kind),
      ['db-instance', 'db-cluster', 'bucket', 'key'],
    );
  });
});

describe('a region', () => {
  test('is found by the types of its resources', () => {
    const target = { region: 'eu-west-1', clusterArn: 'c', secretArn: 's', database: 'app' };
    const { proxy, applySecretArn, mappings, failedBucket, connectorArns } = probedRegion(target, RESOURCES);
    assert.deepEqual(
      { proxy, applySecretArn, failedBucket, connectorArns, mappings: mappings.map(({ physicalId }) => physicalId) },
      {
        ...{ proxy: 'concord-proxy', applySecretArn: 'arn:apply', failedBucket: 'failed' },
        ...{ connectorArns: ['arn:connector'], mappings: ['uuid-1'] },
      },
    );
  });

  test('that lacks one says which', () => {
    const target = { region: 'eu-west-1', clusterArn: 'c', secretArn: 's', database: 'app' };
    assert.throws(() => probedRegion(target, { ...RESOURCES, Database: [] }), /0 resources of type AWS::RDS::DBProxy/);
  });
});

describe('waiting', () => {
  test('ends with what was seen, in vain, or with the run', async () => {
    const { lines: _, ...wait } = waiting();
    let looks = 0;
    assert.equal(await until(wait, 'three', 1000, async () => (++looks === 3 ? 'seen' : undefined)), 'seen');
    await assert.rejects(
      until(wait, 'never', 5, async () => undefined),
      WaitedInVain,
    );
    const stopped = AbortSignal.abort(new Error('stopped by a signal'));
    await assert.rejects(
      until({ ...wait, signal: stopped }, 'x', 1000, async () => 1),
      /stopped by a signal/,
    );
  });
});
