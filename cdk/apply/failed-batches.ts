import { FAILED_BATCH_PREFIX, type Topology } from '@concord/events';
import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { ConcordFunction } from '../functions/concord-function.ts';
import { acknowledgeWildcards } from '../permissions/acknowledge-wildcards.ts';

export type FailedBatchesProps = {
  readonly region: string;
  readonly topology: Topology;
  readonly apply: IFunction;
  readonly key: IKey;
  readonly logRetention: RetentionDays;
};

const OBJECTS = `${FAILED_BATCH_PREFIX}*`;
const EVERY = Duration.minutes(5);
const TIMEOUT = Duration.minutes(5);

/** Takes batches that were given up, whole, and feeds them to apply again until they are in. */
export class FailedBatches extends Construct {
  readonly bucket: Bucket;
  readonly drain: IFunction;

  constructor(scope: Construct, id: string, props: FailedBatchesProps) {
    super(scope, id);
    const { region, topology, key, logRetention } = props;
    this.bucket = this.#bucket(key);
    const { function: drain } = new ConcordFunction(this, 'Drain', {
      name: 'drain',
      description: `Feeds batches that were given up in ${region} to apply again`,
      ...{ region, topology, key, logRetention },
      network: undefined,
      environment: { CONCORD_FAILED_BUCKET: this.bucket.bucketName, CONCORD_APPLY_FUNCTION: props.apply.functionArn },
      timeout: TIMEOUT,
      memoryMb: 512,
    });
    this.drain = drain;
    drain.addToRolePolicy(new PolicyStatement({ actions: ['s3:ListBucket'], resources: [this.bucket.bucketArn] }));
    this.#grantObjects(drain, 's3:GetObject', 's3:DeleteObject');
    drain.addToRolePolicy(
      new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [props.apply.functionArn] }),
    );
    drain.addToRolePolicy(new PolicyStatement({ actions: ['kms:Decrypt'], resources: [key.keyArn] }));
    const rule = new Rule(this, 'Schedule', { schedule: Schedule.rate(EVERY), targets: [new LambdaFunction(drain)] });
    Validations.of(rule).acknowledge({
      id: 'Serverless-EventBusDLQ',
      reason: 'An event says nothing but that it is time: the next one does what this one did not.',
    });
  }

  /** What an event source mapping that runs as `role` needs to write here. */
  grantWrite(role: IFunction, key: IKey): void {
    role.addToRolePolicy(new PolicyStatement({ actions: ['s3:ListBucket'], resources: [this.bucket.bucketArn] }));
    this.#grantObjects(role, 's3:PutObject');
    role.addToRolePolicy(new PolicyStatement({ actions: ['kms:GenerateDataKey'], resources: [key.keyArn] }));
  }

  #grantObjects(grantee: IFunction, ...actions: readonly string[]): void {
    const statement = new PolicyStatement({ actions: [...actions], resources: [this.bucket.arnForObjects(OBJECTS)] });
    grantee.addToRolePolicy(statement);
    acknowledgeWildcards(grantee.role ?? grantee, [statement], 'Lambda names the objects as it writes them.');
  }

  /** Holds rows of the database: encrypted, and kept when the stack goes. */
  #bucket(encryptionKey: IKey): Bucket {
    const bucket = new Bucket(this, 'Bucket', {
      encryption: BucketEncryption.KMS,
      encryptionKey,
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      versioned: true,
      // A batch that went in is deleted; its noncurrent version remains for a while, in case somebody asks what it was.
      lifecycleRules: [{ noncurrentVersionExpiration: Duration.days(30), expiredObjectDeleteMarker: true }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'Read and written by one function and one event source mapping of this stack; CloudTrail data events show more than access logs.',
    });
    return bucket;
  }
}
