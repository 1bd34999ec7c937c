import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Topology, topicOf } from '@concord/events';
import { App } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
import { ConcordStack } from '../../cdk/concord-stack.ts';
import { Network } from '../../cdk/network/network.ts';
import { Operations } from '../../cdk/operations/operations.ts';
import { HubToSpoke } from '../../cdk/replication/hub-to-spoke.ts';
import { MirrorMaker } from '../../cdk/replication/mirror-maker.ts';
import { SpokeToHub } from '../../cdk/replication/spoke-to-hub.ts';
import { replicationFlows } from '../../connector/replication.ts';
import { topologyOf } from '../support/regions.ts';
import { actionsOf, type Resource, resourceOf, resourcesOf, statementsOf } from '../support/templates.ts';

const names = [
  'us-east-1',
  'us-east-10', // begins as another one
  'eu-west-1',
  'eu-central-1',
  'ap-south-1',
  'ap-southeast-1',
  'ap-northeast-1',
  'sa-east-1',
];
const topology = topologyOf({ names, tables: ['public.users'] });
const { hub } = topology;
const spokes = names.filter((name) => name !== hub);
const directory = await mkdtemp(join(tmpdir(), 'concord-plugin-'));
after(() => rmSync(directory, { recursive: true }));
const pluginZip = join(directory, 'plugin.zip');
await writeFile(pluginZip, 'plugin');

/** What does not fit the schema of a resource is an error. */
const STRICT = { '@aws-cdk/core:validateAgainstDefaultRules': true };

const stackOf = (app: App, id: string, region: string): ConcordStack =>
  new ConcordStack(app, id, { account: undefined, region, description: id, terminationProtection: false });

/** The stacks of all regions and of the hub, by where they are. */
function replicators(): { app: App; byRegion: Map<string, Template> } {
  const app = new App({ context: STRICT });
  const byRegion = new Map<string, ConcordStack>();
  for (const region of spokes) {
    const stack = stackOf(app, region, region);
    const { alarmTopic } = new Operations(stackOf(app, `${region}-operations`, region), 'Operations', {});
    new HubToSpoke(stack, 'FromHub', { topology, region, alarmTopic });
    byRegion.set(region, stack);
  }
  const stack = stackOf(app, 'hub', hub);
  for (const region of spokes) new SpokeToHub(stack, `From-${region}`, { topology, region });
  byRegion.set(hub, stack);
  return { app, byRegion: new Map([...byRegion].map(([region, made]) => [region, Template.fromStack(made)])) };
}

/** As found in a template: who copies what. */
type Edge = { readonly from: string; readonly into: string; readonly copies: (topic: string) => boolean };

const someMatch = (patterns: readonly string[], topic: string): boolean =>
  patterns.some((pattern) => new RegExp(`^(?:${pattern})$`).test(topic));

/** The region whose parameter is asked for the cluster of a replicator's `SourceKafkaClusterArn`. */
function sourceRegion(template: Template, { Properties }: Resource): string {
  const [id] = Properties.ReplicationInfoList[0].SourceKafkaClusterArn['Fn::GetAtt'];
  const call = JSON.parse(asText(resourcesOf(template, 'Custom::ConcordAwsRead')[id]?.Properties.Create));
  const [, region] = /^\/concord\/(.*)\/kafka\/cluster-arn$/.exec(call.parameters.Name) ?? [];
  assert.equal(call.region, region);
  return String(region);
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function replicatorEdges(byRegion: Map<string, Template>): Edge[] {
  return [...byRegion].flatMap(([into, template]) =>
    Object.values(resourcesOf(template, 'AWS::MSK::Replicator')).map((replicator) => {
      const { TopicsToReplicate, TopicsToExclude } = replicator.Properties.ReplicationInfoList[0].TopicReplication;
      return {
        from: sourceRegion(template, replicator),
        into,
        copies: (topic: string) => someMatch(TopicsToReplicate, topic) && !someMatch(TopicsToExclude, topic),
      };
    }),
  );
}

/** The flows as MirrorMakers, as if every region had an account of its own. */
function mirrors(): { app: App; templates: Map<string, Template> } {
  const app = new App({ context: STRICT });
  const stacks = names.map((region) => {
    const stack = stackOf(app, region, region);
    const network = new Network(stackOf(app, `${region}-network`, region), 'Network', {
      options: { kind: 'create' },
      slot: 0,
    });
    const { alarmTopic } = new Operations(stackOf(app, `${region}-operations`, region), 'Operations', {});
    for (const flow of replicationFlows(topology).filter(({ into }) => into === region))
      new MirrorMaker(stack, `From-${flow.from}`, {
        ...{ options: {}, topology, flow, network, pluginZip, alarmTopic },
        from: {
          bootstrapServers: `b-1.${flow.from}.example:9096`,
          secretArn: `arn:aws:secretsmanager:${region}:111122223333:secret:mirror-${flow.from}-AbCdEf`,
          cidr: '10.9.0.0/16',
        },
      });
    return [region, stack] as const;
  });
  return { app, templates: new Map(stacks.map(([region, stack]) => [region, Template.fromStack(stack)])) };
}

const mirrorEdges = (templates: Map<string, Template>): Edge[] =>
  [...templates].flatMap(([into, template]) =>
    Object.values(resourcesOf(template, 'AWS::KafkaConnect::Connector')).map(({ Properties }) => {
      const settings = Properties.ConnectorConfiguration;
      assert.equal(settings['target.cluster.alias'], into);
      return {
        from: settings['source.cluster.alias'],
        into,
        copies: (topic: string) => someMatch(settings.topics.split(','), topic),
      };
    }),
  );

/** How often a record written to `topic` in its region arrives in each region. A loop would go on for ever: it is an error. */
function arrivals(edges: readonly Edge[], origin: string, topic: string): Map<string, number> {
  const counts = new Map<string, number>();
  const visit = (region: string, path: readonly string[]): void => {
    assert.ok(!path.includes(region), `${topic} goes round: ${[...path, region].join(' → ')}`);
    counts.set(region, (counts.get(region) ?? 0) + 1);
    for (const { from, into, copies } of edges) if (from === region && copies(topic)) visit(into, [...path, region]);
  };
  visit(origin, []);
  return counts;
}

const everyRegionOnce = names.map((name) => [name, 1]).sort();
const star = replicators();
const everyRegionHasAnAccount = mirrors();

for (const [kind, edges] of [
  ['MSK Replicator', replicatorEdges(star.byRegion)],
  ['MirrorMaker', mirrorEdges(everyRegionHasAnAccount.templates)],
] as const)
  describe(kind, () => {
    test('there are two for each spoke', () => {
      assert.deepEqual(
        edges.map(({ from, into }) => `${from} → ${into}`).sort(),
        spokes.flatMap((spoke) => [`${hub} → ${spoke}`, `${spoke} → ${hub}`]).sort(),
      );
    });

    test('each topic reaches every region exactly once and never comes back', () => {
      for (const origin of names)
        assert.deepEqual([...arrivals(edges, origin, topicOf(origin))].sort(), everyRegionOnce, origin);
    });

    test('nothing else is copied, however alike its name', () => {
      for (const name of names)
        for (const topic of [`cdcx${name}`, `cdc.${name}0`, `x.cdc.${name}`, `cdc.${name}.x`, name, 'concord.repair'])
          if (!names.some((other) => topicOf(other) === topic))
            assert.deepEqual(
              edges.filter(({ copies }) => copies(topic)),
              [],
              topic,
            );
    });
  });

test('the walk would find a loop', () => {
  const copies = () => true;
  const edges = [
    { from: 'a', into: 'b', copies },
    { from: 'b', into: 'a', copies },
  ];
  assert.throws(() => arrivals(edges, 'a', 'cdc.a'), /goes round: a → b → a/);
});

describe('a replicator', () => {
  const template = star.byRegion.get('eu-west-1') as Template;
  const { Properties } = resourceOf(template, 'AWS::MSK::Replicator');
  const [info] = Properties.ReplicationInfoList;

  test('keeps names, begins at the beginning, and leaves settings, access lists and groups alone', () => {
    const { TopicsToReplicate: _, TopicsToExclude: __, ...rest } = info.TopicReplication;
    assert.deepEqual(rest, {
      TopicNameConfiguration: { Type: 'IDENTICAL' },
      StartingPosition: { Type: 'EARLIEST' },
      DetectAndCopyNewTopics: true,
      CopyTopicConfigurations: false,
      CopyAccessControlListsForTopics: false,
    });
    const { SynchroniseConsumerGroupOffsets, DetectAndCopyNewConsumerGroups, ConsumerGroupsToExclude } =
      info.ConsumerGroupReplication;
    assert.deepEqual([SynchroniseConsumerGroupOffsets, DetectAndCopyNewConsumerGroups], [false, false]);
    assert.deepEqual(ConsumerGroupsToExclude, ['.*']);
  });

  test('says twice which topic it must not take: its own', () => {
    assert.deepEqual(info.TopicReplication.TopicsToExclude, ['^cdc\\.eu-west-1$']);
    assert.ok(info.TopicReplication.TopicsToReplicate.includes('^cdc\\.us-east-1$'));
  });

  test('reaches the source without, the target with the security group of the brokers', () => {
    const [source, target] = Properties.KafkaClusters;
    assert.equal(source.VpcConfig.SecurityGroupIds, undefined);
    const parameters = template.findParameters('*') as Record<string, { Default: string }>;
    const facts = [
      target.AmazonMskCluster.MskClusterArn,
      target.VpcConfig.SecurityGroupIds[0],
      target.VpcConfig.SubnetIds,
    ];
    assert.deepEqual(
      facts.map(({ Ref }) => parameters[Ref]?.Default),
      ['cluster-arn', 'security-group-id', 'subnet-ids'].map((fact) => `/concord/eu-west-1/kafka/${fact}`),
    );
  });

  test('asks the other region for exactly two parameters', () => {
    const reads = statementsOf(template, /Source/);
    assert.deepEqual(reads.map(actionsOf), [['ssm:GetParameter'], ['ssm:GetParameter']]);
    for (const { Resource } of reads)
      assert.match(
        asText(Resource),
        /:ssm:us-east-1:.*:parameter\/concord\/us-east-1\/kafka\/(cluster-arn|subnet-ids)"/,
      );
  });

  test('tells the log and the alarms', () => {
    template.hasResourceProperties('AWS::Logs::LogGroup', { KmsKeyId: Match.anyValue(), RetentionInDays: 30 });
    for (const MetricName of ['ReplicationLatency', 'AuthError'])
      template.hasResourceProperties('AWS::CloudWatch::Alarm', {
        MetricName,
        Dimensions: [{ Name: 'ReplicatorName', Value: 'concord-us-east-1-to-eu-west-1' }],
      });
  });
});

describe("a replicator's role", () => {
  const template = star.byRegion.get('eu-west-1') as Template;
  const statements = statementsOf(template, /FromHubReplicatorRole/);
  /** `<cluster or kind>/<name>` of what an action is allowed on, the ARN's own part left out. */
  const dataTopics = (action: string): string[] =>
    statements
      .filter((statement) => actionsOf(statement).includes(action))
      .flatMap(({ Resource }) => Resource)
      .map(asText)
      .flatMap((arn) => /\/(cdc\.[a-z0-9-]+)"/.exec(arn)?.[1] ?? []);

  test('is for MSK on behalf of this account', () => {
    const roles = Object.entries(resourcesOf(template, 'AWS::IAM::Role'));
    const role = roles.find(([id]) => id.startsWith('FromHubReplicatorRole'))?.[1];
    assert.deepEqual(role?.Properties.AssumeRolePolicyDocument.Statement, [
      {
        Effect: 'Allow',
        Action: 'sts:AssumeRole',
        Principal: { Service: 'kafka.amazonaws.com' },
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      },
    ]);
  });

  test('reads and writes exactly the topics that are copied', () => {
    const copied = names.filter((name) => name !== 'eu-west-1').map(topicOf);
    assert.deepEqual(dataTopics('kafka-cluster:ReadData').sort(), [...copied].sort());
    assert.deepEqual(dataTopics('kafka-cluster:WriteData').sort(), [...copied].sort());
  });

  test('never alters a topic that is copied, and names every action', () => {
    assert.deepEqual(dataTopics('kafka-cluster:AlterTopic'), []);
    assert.deepEqual(dataTopics('kafka-cluster:AlterTopicDynamicConfiguration'), []);
    for (const statement of statements) {
      assert.ok(!actionsOf(statement).some((action) => action.includes('*')));
      assert.notEqual(statement.Resource, '*');
    }
  });
});

describe('a mirror', () => {
  const template = everyRegionHasAnAccount.templates.get('eu-west-1') as Template;

  test('reads the other cluster with the account of a secret, and writes its own with its role', () => {
    const { ConnectorConfiguration: settings } = resourceOf(template, 'AWS::KafkaConnect::Connector').Properties;
    const arn = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:mirror-us-east-1-AbCdEf';
    const jaas = settings['source.cluster.sasl.jaas.config'];
    assert.ok(
      jaas.includes(`username="\${secrets:${arn}:username}"`) &&
        jaas.includes(`password="\${secrets:${arn}:password}"`),
    );
    assert.equal(settings['source.cluster.bootstrap.servers'], 'b-1.us-east-1.example:9096');
    assert.equal(settings['target.cluster.sasl.mechanism'], 'AWS_MSK_IAM');
    assert.match(settings['replication.policy.class'], /IdentityReplicationPolicy$/);
    const secrets = statementsOf(template).filter((statement) =>
      actionsOf(statement).includes('secretsmanager:GetSecretValue'),
    );
    assert.deepEqual(
      secrets.map(({ Resource }) => Resource),
      [arn],
    );
  });

  test('writes the topics of its flow and no other', () => {
    const arns = statementsOf(template)
      .filter((statement) => actionsOf(statement).includes('kafka-cluster:WriteData'))
      .flatMap(({ Resource }) => Resource)
      .map((arn) => /\/([^"/]+)"\]\]\}$/.exec(asText(arn))?.[1]);
    assert.deepEqual(
      arns.sort(),
      [
        ...names.filter((name) => name !== 'eu-west-1').map(topicOf),
        '__amazon_msk_connect_*',
        'concord-connect-offsets.concord-mirror-us-east-1-to-eu-west-1',
        'mm2-offset-syncs.us-east-1.internal',
      ].sort(),
    );
  });

  test('gets out to the brokers that are named, and nowhere else', () => {
    const { SecurityGroupEgress } = resourceOf(template, 'AWS::EC2::SecurityGroup').Properties;
    assert.deepEqual(
      SecurityGroupEgress.map(({ CidrIp, FromPort, ToPort, IpProtocol }: Record<string, unknown>) => [
        CidrIp,
        FromPort,
        ToPort,
        IpProtocol,
      ]),
      [['10.9.0.0/16', 9096, 9096, 'tcp']],
    );
  });
});

test('a region that is no spoke is refused', () => {
  const stack = stackOf(new App({ context: STRICT }), 'stack', hub);
  for (const region of [hub, 'mars-1'])
    for (const make of [HubToSpoke, SpokeToHub])
      assert.throws(
        () => new make(stack, `${region}-${make.name}`, { topology: topology as Topology, region }),
        /is no spoke of us-east-1/,
      );
});

test('cdk-nag finds nothing that is not acknowledged', () => {
  for (const app of [star.app, everyRegionHasAnAccount.app]) {
    app.synth();
    const lines = [new AwsSolutionsChecks(app), new ServerlessChecks(app)].flatMap((pack) =>
      pack
        .validateScope(app)
        .violations.flatMap(({ ruleName, violatingResources }) =>
          violatingResources.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
        ),
    );
    const ours = lines.filter((line) => !/ at [a-z0-9-]+-(network|operations)\//.test(line));
    assert.deepEqual(ours, []);
  }
});
