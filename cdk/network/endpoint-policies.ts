import { Arn, type ArnComponents, ArnFormat, Stack } from 'aws-cdk-lib';
import { AnyPrincipal, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';

const arn = (scope: Construct, parts: ArnComponents): string => Arn.format(parts, Stack.of(scope));

/** Buckets bear no account in their ARN, so the condition names it: nothing can be carried out to a bucket of somebody else's. */
export const bucketsOfThisAccount = (scope: Construct): PolicyStatement =>
  new PolicyStatement({
    principals: [new AnyPrincipal()],
    actions: ['s3:PutObject', 's3:ListBucket'],
    resources: [arn(scope, { service: 's3', region: '', account: '', resource: '*' })],
    conditions: { StringEquals: { 'aws:ResourceAccount': Stack.of(scope).account } },
  });

/** What functions, rotation and the connector do; who may read which secret is said by their roles. */
export const secretsOfThisAccount = (scope: Construct): PolicyStatement =>
  new PolicyStatement({
    principals: [new AnyPrincipal()],
    actions: [
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetSecretValue',
      'secretsmanager:PutSecretValue',
      'secretsmanager:UpdateSecretVersionStage',
    ],
    resources: [
      arn(scope, {
        service: 'secretsmanager',
        resource: 'secret',
        resourceName: '*',
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      }),
    ],
    conditions: { StringEquals: { 'aws:PrincipalAccount': Stack.of(scope).account } },
  });

/** Pollers come as the service and take on the function's role. */
export const assumeRoles = (scope: Construct): PolicyStatement =>
  new PolicyStatement({
    principals: [new ServicePrincipal('lambda.amazonaws.com')],
    actions: ['sts:AssumeRole'],
    resources: [arn(scope, { service: 'iam', region: '', resource: 'role', resourceName: '*' })],
  });

export const invokeFunctions = (scope: Construct): PolicyStatement =>
  new PolicyStatement({
    principals: [new AnyPrincipal()],
    actions: ['lambda:InvokeFunction'],
    resources: [
      arn(scope, {
        service: 'lambda',
        resource: 'function',
        resourceName: '*',
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      }),
    ],
  });
