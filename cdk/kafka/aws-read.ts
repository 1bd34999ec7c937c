import { RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import {
  AwsCustomResource,
  AwsCustomResourcePolicy,
  type AwsSdkCall,
  Logging,
  PhysicalResourceId,
} from 'aws-cdk-lib/custom-resources';
import { Construct } from 'constructs';

export type AwsReadProps = Pick<AwsSdkCall, 'service' | 'action' | 'parameters'> & {
  /** Of the AWS API that answers. Default: the stack's. */
  readonly region?: string;
  /** `ssm:GetParameter`; on exactly `resource`. */
  readonly permission: string;
  readonly resource: string;
  /** The values that are asked for: `Parameter.Value`. */
  readonly paths: readonly string[];
  /** Asked again whenever this changes. */
  readonly version: string;
};

const MEMORY_MB = 256;

/** A value that only an API call tells, asked for at deployment by a function that may ask nothing else. */
export class AwsRead extends Construct {
  readonly #resource: AwsCustomResource;

  constructor(scope: Construct, id: string, props: AwsReadProps) {
    super(scope, id);
    const { role, logGroup } = Runtime.of(this);
    const call: AwsSdkCall = {
      service: props.service,
      action: props.action,
      parameters: props.parameters,
      ...(props.region === undefined ? {} : { region: props.region }),
      physicalResourceId: PhysicalResourceId.of(props.version),
      outputPaths: [...props.paths],
      logging: Logging.withDataHidden(),
    };
    this.#resource = new AwsCustomResource(this, 'Resource', {
      resourceType: 'Custom::ConcordAwsRead',
      onCreate: call,
      onUpdate: call,
      policy: AwsCustomResourcePolicy.fromStatements([
        new PolicyStatement({ effect: Effect.ALLOW, actions: [props.permission], resources: [props.resource] }),
      ]),
      installLatestAwsSdk: false,
      memorySize: MEMORY_MB,
      role,
      logGroup,
    });
    acknowledgeProvider(this);
  }

  value(path: string): string {
    return this.#resource.getResponseField(path);
  }
}

/** The function is one per stack, and so is what it runs with. */
class Runtime extends Construct {
  readonly role: Role;
  readonly logGroup: LogGroup;

  private constructor(stack: Stack) {
    super(stack, 'AwsRead');
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.logGroup.grantWrite(this.role);
  }

  static of(scope: Construct): Runtime {
    const stack = Stack.of(scope);
    return (stack.node.tryFindChild('AwsRead') as Runtime | undefined) ?? new Runtime(stack);
  }
}

/** The CDK makes the function, and lets these not be set. */
function acknowledgeProvider(scope: Construct): void {
  const provider = Stack.of(scope).node.tryFindChild(
    `AWS${AwsCustomResource.PROVIDER_FUNCTION_UUID.replaceAll('-', '')}`,
  );
  if (provider === undefined) throw new Error('the CDK no longer names the function of custom resources by its UUID');
  const reason =
    "The CDK's function for custom resources: runs for a second at a deployment, which fails and says why if it does.";
  for (const id of NAG) Validations.of(provider).acknowledge({ id, reason });
}

const NAG = ['Serverless-LambdaTracing', 'Serverless-LambdaDLQ'];
