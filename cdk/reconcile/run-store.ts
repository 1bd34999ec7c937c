import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledgeWildcards } from '../permissions/acknowledge-wildcards.ts';

export type RunStoreProps = { readonly key: IKey };

const KEEP = Duration.days(90);
const KEEP_REPLACED = Duration.days(1);

/** What runs remember between their stages, and their reports. Holds keys and columns of rows that differ. */
export class RunStore extends Construct {
  readonly bucket: Bucket;
  readonly #key: IKey;

  constructor(scope: Construct, id: string, { key }: RunStoreProps) {
    super(scope, id);
    this.#key = key;
    this.bucket = new Bucket(this, 'Bucket', {
      encryption: BucketEncryption.KMS,
      encryptionKey: key,
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      versioned: true,
      lifecycleRules: [
        { prefix: 'runs/', expiration: KEEP },
        // What the next run has to know of the last one is under another prefix, and stays.
        { noncurrentVersionExpiration: KEEP_REPLACED, abortIncompleteMultipartUploadAfter: KEEP_REPLACED },
      ],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    Validations.of(this.bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'Read and written by one function of this stack; CloudTrail data events show more than access logs.',
    });
  }

  grantReadWrite(reconcile: IFunction): void {
    const { bucketArn } = this.bucket;
    // Without it S3 answers that what is not there is forbidden.
    reconcile.addToRolePolicy(new PolicyStatement({ actions: ['s3:ListBucket'], resources: [bucketArn] }));
    const objects = new PolicyStatement({
      actions: ['s3:GetObject', 's3:PutObject'],
      resources: [this.bucket.arnForObjects('*')],
    });
    reconcile.addToRolePolicy(objects);
    acknowledgeWildcards(reconcile.role ?? reconcile, [objects], 'A run names its objects as it goes.');
    const actions = ['kms:Decrypt', 'kms:GenerateDataKey'];
    reconcile.addToRolePolicy(new PolicyStatement({ actions, resources: [this.#key.keyArn] }));
  }
}
