import {
  GatewayVpcEndpointAwsService,
  type InterfaceVpcEndpointAwsService,
  type IVpc,
  Port,
  InterfaceVpcEndpointAwsService as Service,
  SubnetType,
} from 'aws-cdk-lib/aws-ec2';
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { assumeRoles, bucketsOfThisAccount, invokeFunctions, secretsOfThisAccount } from './endpoint-policies.ts';
import type { SecurityGroups } from './network.ts';
import { allowHttps, closedGroup } from './security-groups.ts';

export type EndpointsProps = {
  readonly vpc: IVpc;
  readonly groups: SecurityGroups;
  readonly onDemandPollers: boolean;
};

const SUBNETS = { subnetType: SubnetType.PRIVATE_ISOLATED };

/**
 * How the VPC reaches AWS. An interface endpoint costs 7.50 USD/month in each zone and 0.01 USD/GB, so what nothing calls from
 * inside is left out:
 *
 * - S3 (gateway, free): batches that a poller gives up.
 * - Secrets Manager: functions that sign in with a password, rotation, and the connector's config provider.
 * - Lambda, STS: only pollers on demand; provisioned ones call from Lambda's own network.
 * - KMS: none. Secrets Manager and Lambda decrypt on their side.
 * - CloudWatch: none. Lambda, MSK Connect and RDS deliver logs and metrics themselves; Concord's metrics are log lines.
 * - RDS, MSK: none. Tokens of IAM authentication are signed without a call.
 */
export function addEndpoints(scope: Construct, { vpc, groups, onDemandPollers }: EndpointsProps): void {
  const group = closedGroup(scope, 'EndpointsGroup', vpc, 'endpoints of AWS services');
  for (const caller of [groups.functions, groups.connect, ...(onDemandPollers ? [groups.kafka] : [])]) {
    group.addIngressRule(caller, Port.tcp(443), 'AWS services');
    caller.addEgressRule(group, Port.tcp(443), 'AWS services');
  }
  allowHttps(groups.kafka);
  const toBuckets = vpc.addGatewayEndpoint('S3', { service: GatewayVpcEndpointAwsService.S3, subnets: [SUBNETS] });
  toBuckets.addToPolicy(bucketsOfThisAccount(scope));

  const add = (id: string, service: InterfaceVpcEndpointAwsService, statement: PolicyStatement): void => {
    const endpoint = vpc.addInterfaceEndpoint(id, { service, subnets: SUBNETS, securityGroups: [group], open: false });
    endpoint.addToPolicy(statement);
  };
  add('SecretsManager', Service.SECRETS_MANAGER, secretsOfThisAccount(scope));
  if (!onDemandPollers) return;
  add('Sts', Service.STS, assumeRoles(scope));
  add('Lambda', Service.LAMBDA, invokeFunctions(scope));
}
