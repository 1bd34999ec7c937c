import { conflictsFunction, outboxFunction, type Topology } from '@concord/events';
import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { ConcordFunction } from '../functions/concord-function.ts';
import { encryptLogs } from '../functions/logs-key.ts';
import { subscribeEmail } from '../operations/operations.ts';
import { alertAlarms } from './alert-alarms.ts';
import type { AlertOptions } from './options.ts';

export type AlertsProps = {
  readonly options: AlertOptions;
  readonly topology: Topology;
  /** Account by region; undefined: that of whoever deploys. */
  readonly accounts: ReadonlyMap<string, string | undefined>;
  readonly alarmTopic: ITopic;
};

const EVERY = Duration.minutes(1);
/** Runs may overlap: what one has claimed another leaves alone. */
const TIMEOUT = Duration.minutes(2);

/** The only emitter of alerts: asks every region each minute what it has logged, and tells each conflict once. */
export class Alerts extends Construct {
  readonly function: IFunction;
  readonly #key: Key;

  constructor(scope: Construct, id: string, props: AlertsProps) {
    super(scope, id);
    const { options, topology, alarmTopic } = props;
    const { hub: region } = topology;
    this.#key = new Key(this, 'Key', {
      description: 'Concord: alerts',
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    encryptLogs(this.#key);
    const topic = options.topic === undefined ? this.#topic(options.email) : undefined;
    const topicArn = options.topic?.arn ?? topic?.topicArn;
    const { webhook } = options;
    const { function: alert } = new ConcordFunction(this, 'Function', {
      name: 'alert',
      description: 'Tells people of conflicts',
      ...{ topology, region, key: this.#key },
      // From inside of it neither other regions nor a webhook could be reached.
      network: undefined,
      environment: {
        CONCORD_ALERTS: Stack.of(this).toJsonString({
          topicArn,
          accounts: this.#otherAccounts(props),
          ...(webhook && { webhook: { url: webhook.url, secretArn: webhook.secretArn } }),
        }),
      },
      timeout: TIMEOUT,
      memoryMb: 512,
      logRetention: RetentionDays.ONE_MONTH,
    });
    this.function = alert;
    this.#grantInvoke(props);
    this.#grantTopic(topicArn, options.topic === undefined ? this.#key.keyArn : options.topic.keyArn);
    if (webhook) this.#grantSecret(webhook.secretArn, webhook.keyArn);
    const rule = new Rule(this, 'Schedule', { schedule: Schedule.rate(EVERY), targets: [new LambdaFunction(alert)] });
    Validations.of(rule).acknowledge({
      id: 'Serverless-EventBusDLQ',
      reason: 'An event says nothing but that it is time: the next one does what this one did not.',
    });
    alertAlarms(this, { alert, region, alarmTopic });
  }

  #topic(email: string | undefined): ITopic {
    const topic = new Topic(this, 'Conflicts', {
      topicName: 'concord-conflicts',
      displayName: 'Concord: conflicts',
      masterKey: this.#key,
      enforceSSL: true,
    });
    if (email !== undefined) subscribeEmail(topic, email);
    return topic;
  }

  #otherAccounts({ accounts, topology: { hub } }: AlertsProps): Record<string, string> {
    const others = [...accounts].flatMap(([region, account]) =>
      account === undefined || account === accounts.get(hub) ? [] : [[region, account]],
    );
    return Object.fromEntries(others);
  }

  /** By name: the functions are in stacks of other regions. */
  #grantInvoke({ topology: { hub, regions }, accounts }: AlertsProps): void {
    const { partition, account: own } = Stack.of(this);
    const arn = (region: string, name: string): string =>
      `arn:${partition}:lambda:${region}:${accounts.get(region) ?? own}:function:${name}`;
    const resources = [...regions.map(({ name }) => arn(name, conflictsFunction(name))), arn(hub, outboxFunction(hub))];
    this.function.addToRolePolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources }));
  }

  #grantTopic(topicArn: string | undefined, keyArn: string | undefined): void {
    if (topicArn === undefined) return;
    this.function.addToRolePolicy(new PolicyStatement({ actions: ['sns:Publish'], resources: [topicArn] }));
    if (keyArn !== undefined) this.#grantKey('sns', keyArn, 'kms:Decrypt', 'kms:GenerateDataKey');
  }

  #grantSecret(secretArn: string, keyArn: string | undefined): void {
    const actions = ['secretsmanager:GetSecretValue'];
    this.function.addToRolePolicy(new PolicyStatement({ actions, resources: [secretArn] }));
    if (keyArn !== undefined) this.#grantKey('secretsmanager', keyArn, 'kms:Decrypt');
  }

  #grantKey(service: string, keyArn: string, ...actions: readonly string[]): void {
    const conditions = { StringEquals: { 'kms:ViaService': `${service}.${Stack.of(this).region}.amazonaws.com` } };
    this.function.addToRolePolicy(new PolicyStatement({ actions: [...actions], resources: [keyArn], conditions }));
  }
}
