import type { Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';

/**
 * Exactly this secret, and its key where it is not the one that AWS manages. CDK's own `grantRead` would also name the reader in the key's
 * policy: the stacks of both would need each other.
 */
export function readSecret(scope: Stack, secret: ISecret): PolicyStatement[] {
  // A name alone lacks the six characters that end the ARN.
  const resource = secret.secretFullArn ?? `${secret.secretArn}-??????`;
  const read = new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [resource] });
  if (secret.encryptionKey === undefined) return [read];
  const decrypt = new PolicyStatement({
    actions: ['kms:Decrypt'],
    resources: [secret.encryptionKey.keyArn],
    conditions: { StringEquals: { 'kms:ViaService': `secretsmanager.${scope.region}.amazonaws.com` } },
  });
  return [read, decrypt];
}
