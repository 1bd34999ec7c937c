import type { Topology } from '@concord/events';
import { type Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import {
  ApplicationLogLevel,
  Code,
  EventInvokeConfig,
  type IDestination,
  Function as LambdaFunction,
  LoggingFormat,
  SystemLogLevel,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Network } from '../network/network.ts';
import { type FunctionName, functionFolder } from './bundle.ts';
import { functionRole } from './function-role.ts';
import { ARCHITECTURE, layersOf, RUNTIME } from './shared-layers.ts';

export type { FunctionName };

/** For a function that is invoked without anybody waiting: by a schedule, by Secrets Manager. */
export type AsynchronousInvocation = {
  /** An event that is older is given up; Lambda's own default is 6 hours. */
  readonly maxEventAge: Duration;
  /** Lambda's own default is 2. */
  readonly retryAttempts: 0 | 1 | 2;
  /** Gets the events that were given up. */
  readonly onFailure: IDestination;
};

export type ConcordFunctionProps = {
  readonly name: FunctionName;
  readonly description: string;
  /** Where a function of another stack or region invokes it by name. Default: CloudFormation makes one up. */
  readonly functionName?: string;
  readonly region: string;
  readonly topology: Topology;
  /** Absent for a function that reaches no database. */
  readonly network: Network | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeout: Duration;
  readonly memoryMb: number;
  readonly logRetention: RetentionDays;
  /** Encrypts the log group and the environment. See `encryptLogs`. */
  readonly key: IKey;
  /** Default: whoever invokes it waits, or sees to retries itself, as an event source mapping does. */
  readonly asynchronous?: AsynchronousInvocation;
  /** Environments kept for this function, and at most so many. Default: none kept, the account's limit. Costs nothing. */
  readonly reservedConcurrency?: number;
  /** Default: the logs go with the stack. They hold no rows. */
  readonly logRemoval?: RemovalPolicy;
};

/** Amazon's authorities, RDS's among them: since Node 20 Lambda no longer loads them by itself, and verify-full would fail. */
const AUTHORITIES = '/var/runtime/ca-cert.pem';

/** A function of `functions/`, bundled, with the shared layers, a role that may do nothing but log, and a log group of its own. */
export class ConcordFunction extends Construct {
  readonly function: LambdaFunction;
  readonly logGroup: LogGroup;

  constructor(scope: Construct, id: string, props: ConcordFunctionProps) {
    super(scope, id);
    const { description, network, key } = props;
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: props.logRetention,
      encryptionKey: key,
      removalPolicy: props.logRemoval ?? RemovalPolicy.DESTROY,
    });
    const inVpc = network !== undefined;
    this.function = new LambdaFunction(this, 'Function', {
      description,
      ...(props.functionName && { functionName: props.functionName }),
      runtime: RUNTIME,
      architecture: ARCHITECTURE,
      handler: 'index.handler',
      code: Code.fromAsset(functionFolder(props.name, props.topology)),
      layers: [...layersOf(Stack.of(this))],
      role: functionRole(this, 'Role', { description, logGroup: this.logGroup, key, inVpc }),
      timeout: props.timeout,
      memorySize: props.memoryMb,
      environment: environmentOf(props),
      environmentEncryption: key,
      logGroup: this.logGroup,
      // As Powertools writes them. A level above INFO would drop its metrics: Lambda takes a line without a level for INFO.
      loggingFormat: LoggingFormat.JSON,
      applicationLogLevelV2: ApplicationLogLevel.INFO,
      systemLogLevelV2: SystemLogLevel.INFO,
      tracing: Tracing.DISABLED,
      ...(network && { vpc: network.vpc, vpcSubnets: network.subnets, securityGroups: [network.groups.functions] }),
      ...(props.reservedConcurrency !== undefined && { reservedConcurrentExecutions: props.reservedConcurrency }),
    });
    if (props.asynchronous)
      new EventInvokeConfig(this, 'Asynchronous', { function: this.function, ...props.asynchronous });
    this.#acknowledge(props.asynchronous !== undefined);
  }

  #acknowledge(isAsynchronous: boolean): void {
    Validations.of(this.function).acknowledge(
      {
        id: 'Serverless-LambdaTracing',
        reason:
          'X-Ray would show the time of an invocation, which a metric shows already, and nothing within it; and its two actions know no resource: the role would get them on *.',
      },
      {
        id: 'Serverless-LambdaDLQ',
        reason: isAsynchronous
          ? 'Events that are given up go to the failure destination, which also tells why.'
          : 'It is invoked by somebody who waits for the answer, or by an event source mapping or schedule that comes again: a dead letter queue would stay empty.',
      },
    );
  }
}

const environmentOf = ({ region, network, environment }: ConcordFunctionProps): Record<string, string> => ({
  CONCORD_REGION: region,
  NODE_OPTIONS: '--enable-source-maps',
  ...(network && { NODE_EXTRA_CA_CERTS: AUTHORITIES }),
  ...environment,
});
