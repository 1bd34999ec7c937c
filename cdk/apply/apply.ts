import { groupOf, type Topology, type TopologyProblem } from '@concord/events';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Database } from '../database/database.ts';
import { applyLogin } from '../database/login.ts';
import { ConcordFunction } from '../functions/concord-function.ts';
import { encryptLogs } from '../functions/logs-key.ts';
import type { Kafka } from '../kafka/kafka.ts';
import type { Network } from '../network/network.ts';
import { readSecret } from '../permissions/read-secret.ts';
import { applyAlarms } from './apply-alarms.ts';
import { FailedBatches } from './failed-batches.ts';
import { Mapping, type Pollers } from './mapping.ts';

export type ApplyOptions = {
  /** Default 1769: one vCPU, and the work is CPU and waiting for the database. Billed by memory and time, so less is not cheaper. */
  readonly memoryMb?: number;
  /** Default 2 minutes; a full batch takes a second. Lambda allows 14 minutes for a Kafka mapping. */
  readonly timeoutSeconds?: number;
  /** Records, default 10,000, the most that there can be: an idle topic still delivers each record at once. */
  readonly batchSize?: number;
  /** Of each remote region's topic. Default 1 to 4; the units are shared, see `mapping.ts`. */
  readonly pollers?: Pollers;
  /**
   * Default false: a batch that fails is retried for ever, in order, and nothing passes it. With true Lambda gives it up after ten
   * retries, writes it to S3, and it is fed in again every few minutes: the partition moves on.
   */
  readonly failedBatches?: boolean;
  /** Default a month. */
  readonly logRetention?: RetentionDays;
  /** Default 15 minutes: then lag raises an alarm. */
  readonly lagAlarmMinutes?: number;
};

export type ApplyProps = {
  readonly options: ApplyOptions;
  readonly topology: Topology;
  readonly region: string;
  readonly network: Network;
  readonly database: Database;
  readonly kafka: Kafka;
  readonly alarmTopic: ITopic;
};

const DEFAULTS = {
  memoryMb: 1769,
  timeoutSeconds: 120,
  batchSize: 10_000,
  pollers: { minimum: 1, maximum: 4 },
  failedBatches: false,
  logRetention: RetentionDays.ONE_MONTH,
  lagAlarmMinutes: 15,
} as const satisfies Required<ApplyOptions>;

/** Parking a record of 6 MB takes 160 MB: a smaller function would die of it for ever. */
const LEAST_MEMORY_MB = 256;
const LIMITS: readonly (readonly [
  keyof ApplyOptions & ('memoryMb' | 'timeoutSeconds' | 'batchSize'),
  number,
  number,
  string,
])[] = [
  ['memoryMb', LEAST_MEMORY_MB, 10_240, 'the largest record has to fit, several times'],
  ['timeoutSeconds', 10, 14 * 60, 'Lambda allows 14 minutes for a Kafka mapping'],
  ['batchSize', 1, 10_000, 'Lambda allows 10,000 records'],
];

/** Options that Lambda would refuse, or under which a partition could stand still. */
export function* applyProblems(options: ApplyOptions): Generator<TopologyProblem> {
  for (const [path, least, most, why] of LIMITS) {
    const value = options[path];
    if (value !== undefined && !(Number.isInteger(value) && value >= least && value <= most))
      yield { path, reason: `${value} is not ${least} to ${most}`, hint: why };
  }
}

/** The other regions' changes into this region's database. */
export class Apply extends Construct {
  readonly function: IFunction;

  constructor(scope: Construct, id: string, { options, ...props }: ApplyProps) {
    super(scope, id);
    const { topology, region, network, database, kafka } = props;
    const { memoryMb, timeoutSeconds, batchSize, pollers, failedBatches, logRetention, lagAlarmMinutes } = {
      ...DEFAULTS,
      ...options,
    };
    const key = new Key(this, 'Key', {
      description: `Concord: apply in ${region}`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    encryptLogs(key);
    const timeout = Duration.seconds(timeoutSeconds);
    const { function: apply } = new ConcordFunction(this, 'Function', {
      name: 'apply',
      description: `Applies the other regions' changes in ${region}`,
      ...{ region, topology, network, timeout, memoryMb, logRetention, key },
      environment: applyLogin(database),
    });
    this.function = apply;
    this.#grantDatabase(apply, database);
    const from = topology.regions.map(({ name }) => name).filter((name) => name !== region);
    kafka.grantMappingRead(apply, from);
    const failed = failedBatches
      ? new FailedBatches(this, 'FailedBatches', { region, topology, apply, key, logRetention })
      : undefined;
    failed?.grantWrite(apply, key);
    for (const name of from)
      new Mapping(this, `From-${name}`, {
        ...{ from: name, into: region, function: apply, kafka: kafka.readable, network, pollers, batchSize },
        failedBatchesArn: failed?.bucket.bucketArn,
      });
    applyAlarms(this, { apply, region, timeout, alarmTopic: props.alarmTopic });
    kafka.lagAlarms(this, {
      groups: from.map((name) => groupOf(name, region)),
      lagAlarmMinutes,
      alarmTopic: props.alarmTopic,
    });
  }

  #grantDatabase(apply: IFunction, { iamResource, secrets }: Database): void {
    if (iamResource !== undefined)
      apply.addToRolePolicy(new PolicyStatement({ actions: ['rds-db:connect'], resources: [iamResource] }));
    else for (const statement of readSecret(Stack.of(this), secrets.apply)) apply.addToRolePolicy(statement);
  }
}
