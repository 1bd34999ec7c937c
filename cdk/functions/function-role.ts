import { Stack, Token, Validations } from 'aws-cdk-lib';
import { Effect, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

export type FunctionRoleProps = {
  readonly description: string;
  readonly logGroup: ILogGroup;
  /** Of the environment. */
  readonly key: IKey;
  /** Whether Lambda has to put the function into subnets. */
  readonly inVpc: boolean;
};

/** Lambda asks for all of these before it puts a function into subnets, and for some again while it runs. */
const INTERFACE_CHANGES = [
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
];
/** EC2 knows no resource for these. */
const INTERFACE_READS = ['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'];

/**
 * Conditions on who asks: Lambda names the source function in the requests of its code and its logs, and not in those by which
 * the service itself makes interfaces, reads event sources and decrypts the environment.
 */
const BY_SERVICE = { 'lambda:SourceFunctionArn': 'true' };
const BY_CODE = { 'lambda:SourceFunctionArn': 'false' };

/** In place of AWSLambdaBasicExecutionRole and AWSLambdaVPCAccessExecutionRole, which allow every log group and every account's interfaces. */
export function functionRole(scope: Construct, id: string, props: FunctionRoleProps): Role {
  const { logGroup, key } = props;
  const statements = [
    new PolicyStatement({
      sid: 'WriteOwnLogs',
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logGroup.logGroupArn],
    }),
    // Lambda's grant on the key is lost when a role is made anew under the same name: the function would never start again.
    new PolicyStatement({
      sid: 'ReadOwnEnvironment',
      actions: ['kms:Decrypt'],
      resources: [key.keyArn],
      conditions: { Null: BY_SERVICE },
    }),
  ];
  const role = new Role(scope, id, {
    description: props.description,
    assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    inlinePolicies: {
      Runtime: new PolicyDocument({ statements }),
      ...(props.inVpc && { Interfaces: interfaces(Stack.of(scope)) }),
    },
  });
  if (props.inVpc) acknowledgeInterfaces(role);
  return role;
}

const interfacesOf = ({ partition, region, account }: Stack): string => `arn:${partition}:ec2:${region}:${account}:*/*`;

/** Denied to the function's own code again. */
function interfaces(stack: Stack): PolicyDocument {
  return new PolicyDocument({
    statements: [
      new PolicyStatement({ actions: INTERFACE_CHANGES, resources: [interfacesOf(stack)] }),
      new PolicyStatement({ actions: INTERFACE_READS, resources: ['*'] }),
      new PolicyStatement({
        effect: Effect.DENY,
        actions: [...INTERFACE_CHANGES, ...INTERFACE_READS],
        resources: ['*'],
        conditions: { Null: BY_CODE },
      }),
    ],
  });
}

function acknowledgeInterfaces(role: Role): void {
  const { region, account } = Stack.of(role);
  const name = Token.isUnresolved(account) ? '<AWS::AccountId>' : account;
  const reason =
    "Lambda puts the function into subnets by itself: the interfaces' ids are not known beforehand, EC2 knows no resource for Describe, and both are denied to the function's code.";
  // Of this resource only: what others allow the role lies in a policy beside it.
  Validations.of(role.node.defaultChild ?? role).acknowledge(
    { id: `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ec2:${region}:${name}:*/*]`, reason },
    { id: 'AwsSolutions-IAM5[Resource::*]', reason },
    { id: 'Serverless-LambdaStarPermissions', reason },
  );
}
