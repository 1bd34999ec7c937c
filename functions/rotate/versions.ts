import { explained, readSecret, secretsManager } from '@concord/runtime';
import type { Versions } from './steps.ts';

/** The versions of a secret, through the SDK. */
export function versionsOf(secretArn: string): Versions {
  const SecretId = secretArn;
  const fail = (error: Error): never => {
    throw explained(secretArn, error);
  };
  return {
    labels: async () => {
      const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager');
      const manager = await secretsManager();
      const { VersionIdsToStages } = await manager.send(new DescribeSecretCommand({ SecretId })).catch(fail);
      return VersionIdsToStages ?? {};
    },
    read: (stage) => readSecret(secretArn, stage),
    putPending: async (ClientRequestToken, secret) => {
      const { PutSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
      const value = { SecretString: JSON.stringify(secret), VersionStages: ['AWSPENDING'] };
      const manager = await secretsManager();
      await manager.send(new PutSecretValueCommand({ SecretId, ClientRequestToken, ...value })).catch(fail);
    },
    moveCurrent: async (from, to) => {
      const { UpdateSecretVersionStageCommand } = await import('@aws-sdk/client-secrets-manager');
      const move = { VersionStage: 'AWSCURRENT', MoveToVersionId: to, ...(from && { RemoveFromVersionId: from }) };
      const manager = await secretsManager();
      await manager.send(new UpdateSecretVersionStageCommand({ SecretId, ...move })).catch(fail);
    },
  };
}
