import { type Stack, Token, Validations } from 'aws-cdk-lib';
import type { Role } from 'aws-cdk-lib/aws-iam';

/** What ARNs are made of. */
export type Place = Pick<Stack, 'partition' | 'account'>;

/** As cdk-nag prints what CloudFormation fills in. */
export const printed = ({ account }: Stack): Place => ({
  partition: '<AWS::Partition>',
  account: Token.isUnresolved(account) ? '<AWS::AccountId>' : account,
});

/** One by one, so that another wildcard on the same role is still found. `resources` as printed. */
export function acknowledgeWildcards(role: Role, resources: readonly string[], reason: string): void {
  const ids = resources.map((resource) => `AwsSolutions-IAM5[Resource::${resource}]`);
  Validations.of(role).acknowledge(...ids.map((id) => ({ id, reason })));
}
