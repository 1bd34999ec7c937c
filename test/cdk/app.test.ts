import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'concord-cdk-'));
after(() => rmSync(directory, { recursive: true, force: true }));

type Synthesis = { readonly status: number | null; readonly output: string; readonly out: string };
let runs = 0;

/** Runs the app as `cdk synth` does, without anything of this machine that could lead to an account. */
function synthesise(context: Record<string, string> = {}, environment: Record<string, string> = {}): Synthesis {
  const out = join(directory, `out-${runs++}`);
  const { PATH = '', JAVA_HOME = '', HOME = '' } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['cdk/app.ts'], {
    cwd: ROOT,
    encoding: 'utf8',
    env: {
      ...{ PATH, HOME, ...(JAVA_HOME && { JAVA_HOME }) },
      ...{ CDK_OUTDIR: out, CDK_CONTEXT_JSON: JSON.stringify(context), ...environment },
    },
  });
  return { status, output: stdout + stderr, out };
}

const file = (name: string, content: string): string => {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
};

const topology = JSON.parse(readFileSync(join(ROOT, 'concord.json'), 'utf8'));

const deployment = (text: string): string =>
  file(
    `deployment-${runs}.ts`,
    `import { deployment as standard } from '${ROOT}cdk/deployment.ts';\nexport const deployment = ${text};`,
  );

const filesOf = (folder: string): Map<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(folder, name)).isFile())
      .sort()
      .map((name) => [name, readFileSync(join(folder, name), 'latin1')]),
  );

type Template = { readonly Resources: Record<string, Resource> };
type Resource = {
  readonly Type: string;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
  readonly Properties?: Record<string, unknown>;
};

const resourcesIn = (out: string): [string, Resource][] =>
  [...filesOf(out)]
    .filter(([name]) => name.endsWith('.template.json'))
    .flatMap(([name, text]) =>
      Object.entries((JSON.parse(text) as Template).Resources).map(([id, resource]): [string, Resource] => [
        `${name} ${id}`,
        resource,
      ]),
    );

describe('the standard deployment of all eight regions', () => {
  const first = synthesise();
  const resources = first.status === 0 ? resourcesIn(first.out) : [];

  test('is synthesised without an account, and neither cdk-nag nor CloudFormation’s schemas object', () => {
    assert.equal(first.status, 0, first.output);
    assert.doesNotMatch(first.output, /WARNING|ERROR|rror:/);
    assert.ok(resources.length > 500, `${resources.length} resources`);
  });

  test('is the same again, byte for byte', () => {
    const second = synthesise({}, { TZ: 'Asia/Kolkata', LANG: 'tr_TR.UTF-8' });
    assert.equal(second.status, 0, second.output);
    const [one, other] = [filesOf(first.out), filesOf(second.out)];
    assert.deepEqual([...one.keys()], [...other.keys()]);
    for (const [name, content] of one)
      assert.ok(content.replaceAll(first.out, second.out) === other.get(name), `${name} differs`);
  });

  test('names no account and no folder of this machine', () => {
    for (const [name, content] of filesOf(first.out)) {
      if (!name.endsWith('.template.json')) continue;
      assert.deepEqual(content.match(/:[0-9]{12}:/g), null, name);
      assert.ok(!content.includes(ROOT), name);
    }
  });

  const KEPT =
    /^AWS::(?:RDS::DB(?:Cluster|Instance)|MSK::(?:Cluster|Topic)|SecretsManager::Secret|S3::Bucket|Backup::BackupVault)$/;
  test('keeps what holds data, or opens it, whatever becomes of its stack', () => {
    const found = resources.filter(([, { Type }]) => KEPT.test(Type));
    for (const type of ['DBCluster', 'DBInstance', 'Cluster', 'Topic', 'Secret', 'BackupVault'])
      assert.ok(
        found.some(([, { Type }]) => Type.endsWith(`::${type}`)),
        type,
      );
    for (const [where, { Type, DeletionPolicy, UpdateReplacePolicy }] of found) {
      // An instance of a cluster holds nothing: the cluster's volume does.
      if (Type === 'AWS::RDS::DBInstance') continue;
      // What was made a moment ago, by a deployment that then failed, holds nothing yet.
      assert.match(`${DeletionPolicy} ${UpdateReplacePolicy}`, /^Retain(?:ExceptOnCreate)? Retain$/, where);
    }
  });

  test('encrypts with keys that rotate', () => {
    for (const [where, { Type, Properties }] of resources) {
      if (Type === 'AWS::KMS::Key') assert.equal(Properties?.EnableKeyRotation, true, where);
      // CDK's own reader of AWS, which logs that it asked and not what it was told.
      if (Type === 'AWS::Logs::LogGroup' && !where.includes(' AwsRead'))
        assert.ok(Properties?.KmsKeyId && Properties.RetentionInDays, where);
      if (Type === 'AWS::SecretsManager::Secret') assert.ok(Properties?.KmsKeyId, where);
    }
  });

  test('allows nobody everything: no action is a wildcard, and no role has more than its own policies', () => {
    const ofService = (action: string): boolean => /^(?:\*|[a-z0-9-]+:\*)$/.test(action);
    for (const [where, { Type, Properties }] of resources) {
      // A key's own policy lets the account's administrators decide: without it nobody could ever change the key.
      if (
        !/^AWS::(?:IAM::(?:Role|Policy|ManagedPolicy)|SNS::TopicPolicy|S3::BucketPolicy|MSK::ClusterPolicy)$/.test(Type)
      )
        continue;
      for (const [, action] of JSON.stringify(Properties).matchAll(/"Action":("[^"]+"|\[[^\]]+\])/g))
        for (const name of [JSON.parse(action ?? '""')].flat())
          assert.ok(!ofService(name) || Type === 'AWS::S3::BucketPolicy', `${where}: ${name}`);
      assert.equal((Properties as { ManagedPolicyArns?: unknown })?.ManagedPolicyArns, undefined, where);
    }
  });
});

test('other choices are as clean: what is there already, what is copied, what is given up', () => {
  const { status, output, out } = synthesise({
    topology: file('choices.json', JSON.stringify({ ...topology, regions: topology.regions.slice(0, 4) })),
    deployment: deployment(`{
      alerts: { email: 'dba@example.com', webhook: { url: 'https://hooks.example.com/concord',
        secretArn: 'arn:aws:secretsmanager:us-east-1:111122223333:secret:hook-a1B2c3' } },
      defaults: { ...standard.defaults, kafka: { kind: 'msk', multiVpc: true }, apply: { failedBatches: true }, operations: { alarmEmail: 'dba@example.com' } },
      regions: {
        'us-west-2': {
          network: { kind: 'existing', vpcId: 'vpc-0a1b2c3d4e5f60718', cidr: '10.0.0.0/16', availabilityZones: ['us-west-2a', 'us-west-2b'], subnetIds: ['subnet-0a1b2c3d4e5f60718', 'subnet-0b1b2c3d4e5f60718'] },
          database: { kind: 'existing', host: 'db.example', name: 'app', adminSecret: 'admin' },
          kafka: { kind: 'existing', bootstrapServers: ['b1.example:9096'], readerSecret: 'reader' },
        },
        'eu-west-1': { database: { kind: 'instance', proxy: { authentication: 'secret' }, readReplica: true } },
        'eu-central-1': {
          account: '111122223333',
          database: { kind: 'aurora', proxy: false, backups: { lock: 'governance' } },
          replication: { mirrors: { 'us-east-1': { bootstrapServers: 'b1.hub.example:9096', cidr: '10.0.0.0/16',
            secretArn: 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:AmazonMSK_hub-AbCdEf' } } },
        },
      },
    }`),
  });
  assert.equal(status, 0, output);
  const warnings = output.match(/nothing is copied from [a-z0-9-]+: [^\n]*/g) ?? [];
  assert.ok(
    warnings.every((line) => /another account|brokers of us-west-2 are not made here/.test(line)),
    output,
  );
  const types = resourcesIn(out).map(([, { Type }]) => Type);
  for (const type of ['MSK::Replicator', 'KafkaConnect::Connector', 'RDS::DBInstance', 'S3::Bucket'])
    assert.ok(types.includes(`AWS::${type}`), type);
});

describe('what does not fit is refused with its place, the reason and a hint', () => {
  const withTopology = (change: object): Synthesis =>
    synthesise({ topology: file(`topology-${runs}.json`, JSON.stringify({ ...topology, ...change })) });
  const cases: [name: string, run: () => Synthesis, says: RegExp][] = [
    [
      'two hubs',
      () => withTopology({ hub: ['us-east-1', 'eu-west-1'] }),
      /\/hub: must be string\n {2}hint: there is one hub/,
    ],
    [
      'a region with tables of its own',
      () => withTopology({ regions: [{ ...topology.regions[0], tables: ['public.users'] }] }),
      /\/regions\/0\/tables: does not belong here\n {2}hint: all regions have the same tables/,
    ],
    [
      'a region that AWS does not have',
      () => withTopology({ regions: [...topology.regions, { name: 'eu-atlantis-1', slot: 8 }] }),
      /'eu-atlantis-1' is not a region of AWS\n {2}hint: /,
    ],
    [
      'options for a region that is not in the topology',
      () => synthesise({ deployment: deployment(`{ ...standard, regions: { 'eu-west-9': {} } }`) }),
      /deployment\.regions\['eu-west-9'\]: is not a region of the topology\n {2}hint: one of us-east-1/,
    ],
    [
      'an account that is none',
      () => synthesise({ deployment: deployment(`{ ...standard, regions: { 'eu-west-1': { account: '123' } } }`) }),
      /account of eu-west-1: '123' is not an account id\n {2}hint: twelve digits/,
    ],
    [
      'a function too small for the largest record',
      () =>
        synthesise({
          deployment: deployment(`{ ...standard, regions: { 'eu-west-1': { apply: { memoryMb: 128 } } } }`),
        }),
      /apply of eu-west-1: memoryMb: 128 is not 256 to 10240\n {2}hint: the largest record/,
    ],
    [
      'a webhook that rows would reach in the clear',
      () =>
        synthesise({
          deployment: deployment(`{ ...standard, alerts: { webhook: { url: 'http://hooks.example.com',
            secretArn: 'arn:aws:secretsmanager:us-east-1:111122223333:secret:hook-a1B2c3' } } }`),
        }),
      /alerts\.webhook\.url: 'http:\/\/hooks\.example\.com' is not https.*\n {2}hint: what is sent holds rows/,
    ],
    [
      'a plugin that is not there',
      () => synthesise({ deployment: deployment(`{ ...standard, pluginZip: '/nowhere/plugin.zip' }`) }),
      /pluginZip: .*\/nowhere\/plugin\.zip.*\n {2}hint: .*mvn -f connector\/pom\.xml package/,
    ],
    [
      'a topology that is not there',
      () => synthesise({ topology: 'nowhere.json' }),
      /nowhere\.json: ENOENT.*\n {2}hint: /,
    ],
    [
      'a topology that is no JSON',
      () => synthesise({ topology: file('broken.json', '{') }),
      /broken\.json: .*JSON.*\n {2}hint: /,
    ],
    ['a deployment that is not there', () => synthesise({ deployment: 'nowhere.ts' }), /nowhere\.ts: .*\n {2}hint: /],
    [
      'a deployment that exports something else',
      () => synthesise({ deployment: file('empty.ts', 'export const x = 1;') }),
      /empty\.ts: .*exports no 'deployment'.*\n {2}hint: /,
    ],
  ];
  for (const [name, run, says] of cases)
    test(name, () => {
      const { status, output } = run();
      assert.equal(status, 1, output);
      assert.match(output, says);
      assert.doesNotMatch(output, /\n\s+at /, 'no stack trace');
    });
});
