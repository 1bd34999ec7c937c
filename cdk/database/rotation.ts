import type { Topology } from '@concord/events';
import { Duration, Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Key } from 'aws-cdk-lib/aws-kms';
import { CfnPermission, type IFunction } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { CfnRotationSchedule, type ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { ConcordFunction } from '../functions/concord-function.ts';
import type { Network } from '../network/network.ts';

export type RotationProps = {
  readonly topology: Topology;
  readonly region: string;
  readonly network: Network;
  readonly key: Key;
  /** Past any proxy, without user and password: those are the secret's. */
  readonly databaseUrl: string;
  /** By a name for each. */
  readonly secrets: Readonly<Record<string, ISecret>>;
  readonly days: number;
};

/** Each role changes its own password: nobody with more rights than the role is asked. */
export class Rotation extends Construct {
  readonly function: IFunction;

  constructor(scope: Construct, id: string, props: RotationProps) {
    super(scope, id);
    const { topology, region, network, key, secrets, days } = props;
    const { function: rotate } = new ConcordFunction(this, 'Function', {
      name: 'rotate',
      description: `Rotates the passwords of Concord's roles in ${region}`,
      ...{ topology, region, network, key },
      environment: { CONCORD_DATABASE_URL: props.databaseUrl },
      timeout: Duration.minutes(1),
      memoryMb: 256,
      logRetention: RetentionDays.ONE_YEAR,
    });
    this.function = rotate;
    this.#grantRotate(Object.values(secrets), key);
    for (const [name, secret] of Object.entries(secrets)) this.#schedule(name, secret, days);
  }

  #grantRotate(secrets: readonly ISecret[], key: Key): void {
    this.function.addToRolePolicy(
      new PolicyStatement({
        actions: [
          'secretsmanager:DescribeSecret',
          'secretsmanager:GetSecretValue',
          'secretsmanager:PutSecretValue',
          'secretsmanager:UpdateSecretVersionStage',
        ],
        resources: secrets.map(({ secretArn }) => secretArn),
      }),
    );
    this.function.addToRolePolicy(
      new PolicyStatement({
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: [key.keyArn],
        conditions: { StringEquals: { 'kms:ViaService': `secretsmanager.${Stack.of(this).region}.amazonaws.com` } },
      }),
    );
  }

  #schedule(name: string, { secretArn }: ISecret, days: number): void {
    const permission = new CfnPermission(this, `${name}Permission`, {
      action: 'lambda:InvokeFunction',
      functionName: this.function.functionArn,
      principal: 'secretsmanager.amazonaws.com',
      sourceAccount: Stack.of(this).account,
      sourceArn: secretArn,
    });
    const schedule = new CfnRotationSchedule(this, `${name}Schedule`, {
      secretId: secretArn,
      rotationLambdaArn: this.function.functionArn,
      rotationRules: { automaticallyAfterDays: days },
      // The first time is after enrolling, which makes the roles.
      rotateImmediatelyOnUpdate: false,
    });
    schedule.node.addDependency(permission, this.function);
  }
}
