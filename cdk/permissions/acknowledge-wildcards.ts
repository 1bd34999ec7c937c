import { Stack, Validations } from 'aws-cdk-lib';
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js';
import type { IConstruct } from 'constructs';

const RULE = 'AwsSolutions-IAM5';

/**
 * Tells cdk-nag of each wildcard in the resources of these statements, which it wants one by one, why it cannot be named. The ARNs may
 * hold tokens of their own stack, not of another one: those read otherwise when the checks run.
 */
export function acknowledgeWildcards(scope: IConstruct, statements: readonly PolicyStatement[], reason: string): void {
  const resources = statements.flatMap((statement) => statement.resources);
  const texts = resources.map((resource) => flattenCfnReference(Stack.of(scope).resolve(resource)));
  for (const text of new Set(texts.filter((text) => text.includes('*'))))
    Validations.of(scope).acknowledge({ id: `${RULE}[Resource::${text}]`, reason });
}
