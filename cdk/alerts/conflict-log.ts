import { conflictsFunction, outboxFunction, type Topology } from '@concord/events';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { AccountPrincipal } from 'aws-cdk-lib/aws-iam';
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

export type ConflictLogProps = {
  readonly topology: Topology;
  readonly region: string;
  readonly network: Network;
  readonly database: Database;
  /** Where it is another account than this region's: its alert function is then let in here. */
  readonly hubAccount: string | undefined;
};

const TIMEOUT = Duration.seconds(20);

/** Is somebody to be told of a conflict of any table? If not, nothing of alerts is deployed. */
export const hasAlerts = ({ tables }: Topology): boolean => tables.some(({ review }) => review !== 'log');

/**
 * The way to a region's conflict log for the hub's alert function, which is in no network. In the hub also the way to what it keeps of
 * alerts. Both sign in as `concord_operator`, and are invoked by name.
 */
export class ConflictLog extends Construct {
  readonly conflicts: IFunction;
  /** In the hub. */
  readonly outbox: IFunction | undefined;

  constructor(scope: Construct, id: string, props: ConflictLogProps) {
    super(scope, id);
    const { topology, region, network, database, hubAccount } = props;
    const key = new Key(this, 'Key', {
      description: `Concord: conflict log of ${region}`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    encryptLogs(key);
    const add = (name: 'conflicts' | 'outbox', functionName: string, description: string): IFunction => {
      const { function: made } = new ConcordFunction(this, name === 'outbox' ? 'Outbox' : 'Conflicts', {
        ...{ name, functionName, description, topology, region, network, key },
        environment: operatorLogin(database),
        timeout: TIMEOUT,
        // A hundred lines with images of up to 256 KB.
        memoryMb: 512,
        logRetention: RetentionDays.ONE_MONTH,
      });
      for (const statement of readSecret(Stack.of(this), database.secrets.operator)) made.addToRolePolicy(statement);
      return made;
    };
    this.conflicts = add('conflicts', conflictsFunction(region), `Reads the conflict log of ${region}`);
    if (hubAccount !== undefined) this.conflicts.addPermission('Hub', { principal: new AccountPrincipal(hubAccount) });
    this.outbox =
      region === topology.hub ? add('outbox', outboxFunction(region), 'Keeps which conflicts were told') : undefined;
  }
}
