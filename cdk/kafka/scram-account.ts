import { type RemovalPolicy, Validations } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnBatchScramSecret } from 'aws-cdk-lib/aws-msk';
import { CfnResourcePolicy, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { MskCluster } from './msk-cluster.ts';

export type ScramAccountProps = {
  readonly cluster: MskCluster;
  readonly key: IKey;
  readonly removalPolicy: RemovalPolicy;
};

/**
 * An account for clients that are no role of this AWS account: the MirrorMaker of a region in another one. Nobody here is granted
 * this secret. IAM says nothing about SCRAM accounts, Kafka's own access lists do: until you add some, it may read and write every topic
 * (docs/deploy.md).
 */
export class ScramAccount extends Construct {
  readonly secret: Secret;

  constructor(scope: Construct, id: string, { cluster, key, removalPolicy }: ScramAccountProps) {
    super(scope, id);
    const secret = new Secret(this, 'Secret', {
      // MSK takes only secrets with this prefix and under a key of our own.
      secretName: `AmazonMSK_${cluster.name}-mirror`,
      description: 'Concord: SCRAM account of the mirrors of other AWS accounts',
      encryptionKey: key,
      generateSecretString: {
        secretStringTemplate: JSON.stringify({ username: 'concord_mirror' }),
        generateStringKey: 'password',
        passwordLength: 40,
        excludePunctuation: true,
      },
      removalPolicy,
    });
    this.secret = secret;
    Validations.of(secret).acknowledge({
      id: 'AwsSolutions-SMG4',
      reason:
        'The mirrors of other accounts hold a copy: rotating it without them would stop them. docs/deploy.md rotates it.',
    });
    const policy = this.#readableByMsk(secret);
    const association = new CfnBatchScramSecret(this, 'Association', {
      clusterArn: cluster.arn,
      secretArnList: [secret.secretArn],
    });
    association.node.addDependency(policy);
  }

  /** What MSK would attach by itself, written down: else it is a difference that nobody made. */
  #readableByMsk(secret: Secret): CfnResourcePolicy {
    const statement = new PolicyStatement({
      sid: 'AWSKafkaResourcePolicy',
      principals: [new ServicePrincipal('kafka.amazonaws.com')],
      actions: ['secretsmanager:getSecretValue'],
      resources: [secret.secretArn],
    });
    return new CfnResourcePolicy(this, 'ReadableByMsk', {
      secretId: secret.secretArn,
      resourcePolicy: { Version: '2012-10-17', Statement: [statement.toStatementJson()] },
    });
  }
}
