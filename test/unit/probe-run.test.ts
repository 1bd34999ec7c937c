import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Cloud, Stack } from '../probe/cloud.ts';
import { costUsd } from '../probe/cost.ts';
import { factOf } from '../probe/facts.ts';
import type { FoundLeftovers } from '../probe/leftovers.ts';
import { Refusal, refuseWhatIsThere, whoAsks } from '../probe/refusals.ts';
import { stackName } from '../probe/region.ts';
import { runProbe } from '../probe/run.ts';
import type { Step } from '../probe/story/probe.ts';
import { STEPS } from '../probe/story/story.ts';
import { PROBE_TAG, tearDown } from '../probe/tear-down.ts';
import { until, WaitedInVain } from '../probe/wait.ts';
import { ACCOUNT, PHASES, REGIONS, RESOURCES, RUN, waiting } from '../support/probed.ts';

const KEPT = ['AWS::MSK::Cluster', 'AWS::MSK::Topic', 'AWS::KMS::Key', 'AWS::S3::Bucket'];

/** AWS as this test needs it: stacks come with `cdk deploy`, everything that changes something is noted in `calls`. */
function fakeCloud(fail: (call: string) => boolean = () => false) {
  const calls: string[] = [];
  const stacks = new Map<string, Stack>();
  const did = (call: string): void => {
    calls.push(call);
    if (fail(call)) throw new Error(`AWS says no to ${call}`);
  };
  const partOf = (stack: string): string => stack.split('-').at(-1) ?? '';
  const regionOf = (stack: string): string =>
    stack.startsWith('Concord-hub') ? REGIONS[0] : stack.slice('Concord-'.length, stack.lastIndexOf('-'));
  const add = (name: string, tags: Readonly<Record<string, string>> = { [PROBE_TAG]: RUN }): void => {
    stacks.set(name, { name, status: 'CREATE_COMPLETE', isProtected: partOf(name) === 'Database', tags });
  };
  const cloud: Cloud = {
    identity: async () => ({ account: ACCOUNT, arn: 'arn:me' }),
    isBootstrapped: async () => true,
    stacks: async (region) => [...stacks.values()].filter(({ name }) => regionOf(name) === region),
    resources: async (_, stack) => RESOURCES[partOf(stack)] ?? [],
    declared: async (_, stack) =>
      Object.fromEntries(
        (RESOURCES[partOf(stack)] ?? []).map(({ logicalId, type }) => [
          logicalId,
          { type, properties: {}, isKept: KEPT.includes(type) },
        ]),
      ),
    unprotect: async (_, stack) => did(`unprotect ${stack}`),
    deleteStack: async (_, stack) => {
      did(`delete ${stack}`);
      stacks.delete(stack);
    },
    cdk: async (words) => {
      did(`cdk ${words[0]} ${words.find((word) => word.startsWith('deployment='))}`);
      const stacks = words.filter((word) => word.startsWith('Concord-'));
      for (const stack of stacks) add(stack.replace('/', '-'));
      return stacks.map((stack) => ` ✅  ${stack} (no changes)\n`).join('');
    },
    database: async (region) => ({ clusterArn: `arn:cluster:${region}`, secretArn: 'arn:admin' }),
    openDataApi: async (region) => did(`open ${region}`),
    sql: async () => [{ one: '1' }],
    mapping: async (_, uuid) => ({ uuid, state: 'Enabled', properties: {} }),
    enableMapping: async () => {},
    secretVersion: async () => 'v1',
    rotate: async () => {},
    connector: async () => ({ state: 'RUNNING', settings: {} }),
    datapoints: async () => [0],
    metricNames: async () => [],
    alarms: async () => [],
    wasInState: async () => true,
    logLines: async () => [],
    objects: async () => [],
    tagged: async () => ['arn:aws:kms:eu-west-1:111122223333:key/key-1', 'arn:aws:lambda:x:1:function:gone'],
    remove: async (region, { kind, id }) => did(`remove ${region} ${kind} ${id}`),
  };
  return { cloud, calls, stacks, add };
}

function memoryNotes() {
  const kept = new Map<string, FoundLeftovers>();
  const notesOf = (region: string) => ({
    read: () => kept.get(region) ?? { leftovers: [], unknown: [] },
    write: (found: FoundLeftovers) => void kept.set(region, found),
  });
  return { kept, notesOf };
}

const PROVE_ALL: Step = {
  name: 'everything',
  proves: ['everyday'],
  run: async () => STEPS.flatMap(({ proves }) => proves.map((id) => factOf(id, [], 'seen'))),
};

function run(
  fail?: (call: string) => boolean,
  more: { steps?: readonly Step[]; keep?: boolean; signal?: AbortSignal } = {},
) {
  const fake = fakeCloud(fail);
  const { lines, ...wait } = waiting(more.signal);
  const notes = memoryNotes();
  let hours = 0;
  const verdict = runProbe({
    ...wait,
    ...{ cloud: fake.cloud, account: ACCOUNT, runId: RUN, regions: REGIONS, phases: PHASES },
    ...{ keep: more.keep ?? false, notesOf: notes.notesOf, steps: more.steps ?? [PROVE_ALL] },
    now: () => hours++ * 3_600_000,
  });
  return { ...fake, ...notes, lines, verdict };
}

describe('refusals', () => {
  const options = { regions: REGIONS, json: false, keep: false, yes: false, destroy: false };

  test('credentials that are not there, or of another account', async () => {
    const { cloud } = fakeCloud();
    const none: Cloud = { ...cloud, identity: () => Promise.reject(new Error('Unable to locate credentials')) };
    await assert.rejects(whoAsks(none, options), { message: 'Unable to locate credentials', hint: /credentials/ });
    await assert.rejects(whoAsks(cloud, { ...options, account: '999999999999' }), /of account 111122223333, not 999/);
    assert.equal((await whoAsks(cloud, { ...options, account: ACCOUNT })).account, ACCOUNT);
  });

  test('a region without bootstrap, and stacks of the same name', async () => {
    const { cloud, add } = fakeCloud();
    await refuseWhatIsThere(cloud, options);
    await assert.rejects(refuseWhatIsThere({ ...cloud, isBootstrapped: async () => false }, options), Refusal);
    add('Concord-eu-central-1-Kafka', {});
    await assert.rejects(refuseWhatIsThere(cloud, options), /eu-central-1 has Concord-eu-central-1-Kafka already/);
  });
});

describe('a run', () => {
  test('deploys phase by phase, tells the story, removes everything, and says so', async () => {
    const { verdict, calls, stacks, kept } = run();
    const { verdict: is, remains, hours, costUsd: cost, facts } = await verdict;
    assert.deepEqual(remains, []);
    assert.equal(is, 'proved', JSON.stringify(facts.filter((fact) => fact.verdict !== 'proved')));
    assert.equal(stacks.size, 0);
    assert.deepEqual([...kept.values()], Array(2).fill({ leftovers: [], unknown: [] }));
    assert.deepEqual({ hours, cost }, { hours: 1, cost: costUsd(2, 1) });
    assert.deepEqual(
      calls.filter((call) => call.startsWith('cdk')).map((call) => call.split('/').at(-1)),
      [
        ...['deployment.ts', 'deployment.ts', 'deployment-connected.ts'],
        ...['deployment-connected.ts', 'deployment-connected.ts'],
      ],
    );
  });

  test('removes replicators before clusters, what stands in the network before the network, keys last', async () => {
    const { verdict, calls } = run();
    await verdict;
    const at = (call: string): number => {
      assert.ok(calls.includes(call), `${call} in ${calls.join('; ')}`);
      return calls.indexOf(call);
    };
    const inOrderOf = [
      'delete Concord-eu-central-1-Replication',
      'delete Concord-hub-Replication',
      'delete Concord-hub-Operations',
      'delete Concord-eu-west-1-Capture',
      'delete Concord-eu-west-1-Apply',
      'delete Concord-eu-west-1-Enroll',
      'delete Concord-eu-west-1-Kafka',
      'unprotect Concord-eu-west-1-Database',
      'delete Concord-eu-west-1-Database',
      'remove eu-west-1 kafka-cluster arn:aws:kafka:x:1:cluster/c/1',
      'delete Concord-eu-west-1-Network',
      'remove eu-west-1 bucket failed',
      'remove eu-west-1 key key-1',
    ];
    const positions = inOrderOf.map(at);
    assert.deepEqual(
      positions,
      [...positions].sort((a, b) => a - b),
    );
  });

  test('that cannot deploy removes what it made, and says why', async () => {
    const { verdict, stacks, calls } = run(
      (call) => call === 'cdk deploy deployment=test/probe/deployment-connected.ts',
    );
    const { verdict: is, stopped, remains, facts } = await verdict;
    assert.equal(is, 'refuted');
    assert.match(stopped ?? '', /AWS says no to cdk deploy/);
    assert.deepEqual(remains, []);
    assert.equal(stacks.size, 0);
    assert.ok(calls.includes('delete Concord-eu-west-1-Apply'));
    assert.equal(facts.find(({ id }) => id === 'equal')?.verdict, 'unproved');
  });

  test('whose story fails ends there: refuted where it waited in vain, unproved where AWS refused', async () => {
    const step = (error: Error): Step => ({ name: 'a step', proves: ['poison'], run: () => Promise.reject(error) });
    const never: Step = { name: 'never', proves: ['equal'], run: () => assert.fail('the story has ended') };
    for (const [error, expected] of [
      [new WaitedInVain('both regions hold the same: not within 15 min'), 'refuted'],
      [new Error('ThrottlingException'), 'unproved'],
    ] as const) {
      const { verdict, stacks, lines } = run(undefined, { steps: [step(error), never] });
      const { facts, stopped, remains } = await verdict;
      assert.equal(facts.find(({ id }) => id === 'poison')?.verdict, expected);
      assert.equal(stopped, `a step: ${error.message}`);
      assert.deepEqual([stacks.size, remains.length], [0, 0]);
      assert.ok(lines.indexOf('a step') < lines.indexOf('removing Concord-hub-Replication'), lines.join('\n'));
    }
  });

  test('that is stopped tears down and refutes nothing', async () => {
    const stopping = new AbortController();
    const stop: Step = {
      name: 'somebody presses Ctrl-C',
      proves: ['everyday'],
      run: async ({ signal, ...probe }) => {
        stopping.abort(new Error('stopped by a signal'));
        await until({ ...probe, signal }, 'x', 1000, async () => undefined);
        return [];
      },
    };
    const { verdict, stacks } = run(undefined, { steps: [stop], signal: stopping.signal });
    const { verdict: is, stopped, facts } = await verdict;
    assert.deepEqual([is, stopped], ['incomplete', 'somebody presses Ctrl-C: stopped by a signal']);
    assert.equal(facts.find(({ id }) => id === 'removed')?.verdict, 'proved');
    assert.equal(stacks.size, 0);
  });

  test('that is to be kept removes nothing and is no proof that it could', async () => {
    const { verdict, stacks, calls } = run(undefined, { keep: true });
    const { verdict: is, remains } = await verdict;
    assert.equal(is, 'incomplete');
    assert.match(remains[0] ?? '', /--destroy/);
    assert.ok(stacks.size > 0);
    assert.ok(!calls.some((call) => call.startsWith('delete') || call.startsWith('remove')));
  });

  test('that cannot remove something goes on with the rest, names it, and keeps its notes', async () => {
    const bucket = 'remove eu-west-1 bucket failed';
    const { verdict, calls, kept } = run((call) => call === bucket || call === 'delete Concord-eu-central-1-Kafka');
    const { verdict: is, remains } = await verdict;
    assert.equal(is, 'refuted');
    assert.ok(remains.includes(`eu-west-1: bucket failed: AWS says no to ${bucket}`), remains.join('\n'));
    assert.ok(remains.some((line) => line.startsWith('eu-central-1: Concord-eu-central-1-Kafka')));
    assert.ok(calls.includes('remove eu-west-1 key key-1'));
    assert.ok(kept.get('eu-west-1')?.leftovers.some(({ id }) => id === 'failed'));
  });
});

describe('tearing down later', () => {
  test('removes what the notes hold when the stacks have gone, and nothing of others', async () => {
    const { cloud, calls, add, stacks } = fakeCloud();
    add(stackName('eu-west-1', 'Apply'), { [PROBE_TAG]: 'another run' });
    const { notesOf, kept } = memoryNotes();
    kept.set('eu-central-1', { leftovers: [{ kind: 'bucket', id: 'noted' }], unknown: [] });
    const { say, stillMs } = waiting();
    const remains = await tearDown({ cloud, regions: REGIONS, runId: RUN, say, stillMs, notesOf });
    assert.deepEqual(remains, [
      `eu-west-1: Concord-eu-west-1-Apply: it does not bear the tag ${PROBE_TAG}=${RUN}: left alone`,
    ]);
    assert.ok(calls.includes('remove eu-central-1 bucket noted'));
    assert.deepEqual([...stacks.keys()], ['Concord-eu-west-1-Apply']);
  });
});
