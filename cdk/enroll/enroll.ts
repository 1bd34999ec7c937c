import { basename } from 'node:path';
import type { Topology } from '@concord/events';
import { CustomResource, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Provider } from 'aws-cdk-lib/custom-resources';
import { Construct } from 'constructs';
import { PUBLICATION, slotName } from '../../connector/names.ts';
import type { Database } from '../database/database.ts';
import { adminLogin } from '../database/login.ts';
import { functionFolder } from '../functions/bundle.ts';
import { ConcordFunction } from '../functions/concord-function.ts';
import { functionRole } from '../functions/function-role.ts';
import { encryptLogs } from '../functions/logs-key.ts';
import type { Network } from '../network/network.ts';
import { acknowledgeWildcards } from '../permissions/acknowledge-wildcards.ts';
import { readSecret } from '../permissions/read-secret.ts';

export type EnrollOptions = {
  /**
   * The greatest ids in any region, by `schema.table.column`, as `concord enroll --other` would find them: this region's sequences
   * start above them. Not needed where the databases start with the same rows, or with none.
   */
  readonly greatestIds?: Readonly<Record<string, string>>;
};

export type EnrollProps = {
  readonly options: EnrollOptions;
  readonly topology: Topology;
  readonly region: string;
  readonly network: Network;
  readonly database: Database;
};

/** Lambda's greatest: adding columns to large tables is quick, but waits for locks table by table. */
const TIMEOUT = Duration.minutes(15);

/**
 * Brings the region's database into the topology at each deployment that changes one of the two. Deleting the stack, or rolling
 * it back, takes nothing from the database: `concord enroll --unenroll` does that, table by table.
 */
export class Enroll extends Construct {
  readonly function: IFunction;

  constructor(scope: Construct, id: string, props: EnrollProps) {
    super(scope, id);
    const { options, topology, region, network, database } = props;
    const key = new Key(this, 'Key', {
      description: `Concord: enrolling in ${region}`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    encryptLogs(key);
    const login = adminLogin(database);
    const { function: enroll } = new ConcordFunction(this, 'Function', {
      name: 'enroll',
      description: `Brings the database of ${region} into the topology`,
      ...{ topology, region, network, key },
      environment: login,
      timeout: TIMEOUT,
      memoryMb: 512,
      logRetention: RetentionDays.ONE_YEAR,
    });
    this.function = enroll;
    for (const secret of Object.values(database.secrets))
      for (const statement of readSecret(Stack.of(this), secret)) enroll.addToRolePolicy(statement);
    new CustomResource(this, 'Database', {
      resourceType: 'Custom::ConcordEnrolledDatabase',
      serviceToken: this.#provider(enroll, key).serviceToken,
      serviceTimeout: TIMEOUT,
      properties: {
        slot: slotName(region),
        publication: PUBLICATION,
        // Named by its content, the topology's included.
        digest: basename(functionFolder('enroll', topology)),
        // Read by nobody: with another database or administrator CloudFormation asks again.
        login: Object.values(login),
        ...(options.greatestIds && { greatestIds: options.greatestIds }),
        roles: [
          { role: 'concord_apply', secretArn: database.secrets.apply.secretArn },
          { role: 'concord_capture', secretArn: database.secrets.capture.secretArn },
          { role: 'concord_operator', secretArn: database.secrets.operator.secretArn },
        ],
      },
    });
  }

  /** CDK's own function that answers CloudFormation, outside the network: the one in it could not reach where the answer goes. */
  #provider(onEventHandler: IFunction, key: Key): Provider {
    const logGroup = new LogGroup(this, 'ProviderLogs', {
      retention: RetentionDays.ONE_MONTH,
      encryptionKey: key,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const description = 'Answers CloudFormation for the enrolled database';
    const role = functionRole(this, 'ProviderRole', { description, logGroup, key, inVpc: false });
    const provider = new Provider(this, 'Provider', { onEventHandler, logGroup, frameworkOnEventRole: role });
    acknowledgeWildcards(
      role,
      [new PolicyStatement({ resources: [`${onEventHandler.functionArn}:*`] })],
      'CDK lets its provider invoke every version of the one function that enrolls.',
    );
    Validations.of(provider).acknowledge(
      ...[
        'Serverless-LambdaDefaultMemorySize',
        'Serverless-LambdaDLQ',
        'Serverless-LambdaTracing',
        'AwsSolutions-L1',
      ].map((id) => ({
        id,
        reason: "CDK's own function: it passes one event on and the answer back, and CloudFormation waits for it.",
      })),
    );
    return provider;
  }
}
