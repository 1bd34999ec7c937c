import { Fn, Stack } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Key } from 'aws-cdk-lib/aws-kms';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { CfnDBProxy, CfnDBProxyTargetGroup } from 'aws-cdk-lib/aws-rds';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { Network } from '../network/network.ts';
import type { Server } from './created.ts';
import { logRemoval } from './database-logs.ts';
import type { ProxyOptions, Removal } from './options.ts';

export type DatabaseProxyProps = {
  readonly options: ProxyOptions;
  readonly region: string;
  readonly network: Network;
  readonly target: Server;
  /** Of `concord_apply`: the only role that signs in through the proxy, so its settings hold for each session. */
  readonly secret: ISecret;
  readonly key: Key;
  readonly logDays: RetentionDays;
  readonly removal: Removal;
};

const ROLE = 'concord_apply';
/** RDS keeps a tenth of the pool open where the database has time: opening costs the first batch after a pause 20 ms. */
const IDLE_PERCENT = 10;
/** A batch that gets no connection fails and is delivered again: no reason to wait for long. */
const BORROW_SECONDS = 20;

/**
 * Keeps sessions of `concord_apply` through failovers, and shares them.
 *
 * A statement that changes its session pins it to one client. Apply sends none: its settings are the role's, its locks the
 * transaction's, its statements unprepared. So there is no filter against pinning either: with one, a `set` would leak into another
 * client's session; without, it shows in `DatabaseConnectionsCurrentlySessionPinned`.
 */
export class DatabaseProxy extends Construct {
  readonly host: string;
  readonly name: string;
  /** `arn:…:rds-db:…:dbuser:prx-…/concord_apply`, where clients sign in with tokens. */
  readonly iamResource: string | undefined;

  constructor(scope: Construct, id: string, props: DatabaseProxyProps) {
    super(scope, id);
    const { options, network, secret } = props;
    const usesTokens = (options.authentication ?? 'iam') === 'iam';
    this.name = `concord-${props.region}`;
    const logGroup = new LogGroup(this, 'Logs', {
      // Where RDS writes it; made here so that it is encrypted and ends.
      logGroupName: `/aws/rds/proxy/${this.name}`,
      retention: props.logDays,
      encryptionKey: props.key,
      removalPolicy: logRemoval(props.removal),
    });
    const proxy = new CfnDBProxy(this, 'Resource', {
      dbProxyName: this.name,
      engineFamily: 'POSTGRESQL',
      auth: [
        {
          authScheme: 'SECRETS',
          secretArn: secret.secretArn,
          iamAuth: usesTokens ? 'REQUIRED' : 'DISABLED',
          ...(!usesTokens && { clientPasswordAuthType: 'POSTGRES_SCRAM_SHA_256' }),
        },
      ],
      requireTls: true,
      debugLogging: false,
      idleClientTimeout: (options.idleClientMinutes ?? 15) * 60,
      roleArn: this.#role(secret, props.key).roleArn,
      vpcSubnetIds: network.vpc.selectSubnets(network.subnets).subnetIds,
      vpcSecurityGroupIds: [network.groups.proxy.securityGroupId],
    });
    proxy.node.addDependency(logGroup);
    this.#targets(proxy, props);
    this.host = proxy.attrEndpoint;
    this.iamResource = usesTokens ? this.#iamResource(proxy.attrDbProxyArn) : undefined;
  }

  #targets(proxy: CfnDBProxy, { options, target }: DatabaseProxyProps): void {
    const maxConnectionsPercent = options.maxConnectionsPercent ?? 30;
    const targets = new CfnDBProxyTargetGroup(this, 'Targets', {
      dbProxyName: proxy.ref,
      targetGroupName: 'default',
      ...(target.kind === 'cluster'
        ? { dbClusterIdentifiers: [target.identifier] }
        : { dbInstanceIdentifiers: [target.identifier] }),
      connectionPoolConfigurationInfo: {
        maxConnectionsPercent,
        maxIdleConnectionsPercent: Math.min(IDLE_PERCENT, maxConnectionsPercent),
        connectionBorrowTimeout: BORROW_SECONDS,
      },
    });
    // The library knows tags here, CloudFormation's own schema does not.
    targets.addPropertyDeletionOverride('Tags');
  }

  #role({ secretArn }: ISecret, key: Key): Role {
    const viaSecretsManager = `secretsmanager.${Stack.of(this).region}.amazonaws.com`;
    const statements = [
      new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [secretArn] }),
      new PolicyStatement({
        actions: ['kms:Decrypt'],
        resources: [key.keyArn],
        conditions: { StringEquals: { 'kms:ViaService': viaSecretsManager } },
      }),
    ];
    return new Role(this, 'Role', {
      description: `Reads the password of ${ROLE} for the proxy`,
      assumedBy: new ServicePrincipal('rds.amazonaws.com'),
      inlinePolicies: { Secret: new PolicyDocument({ statements }) },
    });
  }

  /** A proxy's id is the last part of its ARN, `arn:…:db-proxy:prx-…`. */
  #iamResource(proxyArn: string): string {
    const { partition, region, account } = Stack.of(this);
    return `arn:${partition}:rds-db:${region}:${account}:dbuser:${Fn.select(6, Fn.split(':', proxyArn))}/${ROLE}`;
  }
}
