import { digestFunction, repairFunction, type Topology } from '@concord/events';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { AccountPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Database } from '../database/database.ts';
import { operatorLogin } from '../database/login.ts';
import { ConcordFunction } from '../functions/concord-function.ts';
import { encryptLogs } from '../functions/logs-key.ts';
import type { Network } from '../network/network.ts';
import { readSecret } from '../permissions/read-secret.ts';

export type RegionReconcileProps = {
  readonly topology: Topology;
  readonly region: string;
  readonly network: Network;
  readonly database: Database;
  readonly apply: IFunction;
  /** Where it is another account than this region's: its reconcile function is then let in here. */
  readonly hubAccount: string | undefined;
};

/** A digest answers with as much as it has got by then. */
const DIGEST_TIMEOUT = Duration.minutes(2);
/** A page of versions is sent at a limited rate, and apply may wait for locks. */
const REPAIR_TIMEOUT = Duration.minutes(10);

/**
 * The way to a region's rows for the hub's reconcile function, which is in no network: one function reads them, as `concord_operator`,
 * one gives apply what is missing. Both are invoked by name.
 */
export class RegionReconcile extends Construct {
  readonly digest: IFunction;
  readonly repair: IFunction;

  constructor(scope: Construct, id: string, props: RegionReconcileProps) {
    super(scope, id);
    const { topology, region, network, database, apply, hubAccount } = props;
    const key = new Key(this, 'Key', {
      description: `Concord: reconciliation of ${region}`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    encryptLogs(key);
    const common = { topology, region, key, logRetention: RetentionDays.ONE_MONTH };
    const { function: digest } = new ConcordFunction(this, 'Digest', {
      ...common,
      ...{ name: 'digest', functionName: digestFunction(region), network },
      description: `Reads what the database of ${region} holds, for reconciliation`,
      environment: operatorLogin(database),
      timeout: DIGEST_TIMEOUT,
      memoryMb: 1024,
    });
    for (const statement of readSecret(Stack.of(this), database.secrets.operator)) digest.addToRolePolicy(statement);
    const { function: repair } = new ConcordFunction(this, 'Repair', {
      ...common,
      ...{ name: 'repair', functionName: repairFunction(region), network: undefined },
      description: `Gives apply in ${region} the versions that it lacks`,
      environment: { CONCORD_APPLY_FUNCTION: apply.functionArn },
      timeout: REPAIR_TIMEOUT,
      memoryMb: 512,
    });
    repair.addToRolePolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [apply.functionArn] }));
    if (hubAccount !== undefined)
      for (const made of [digest, repair]) made.addPermission('Hub', { principal: new AccountPrincipal(hubAccount) });
    this.digest = digest;
    this.repair = repair;
  }
}
