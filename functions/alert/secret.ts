import { explained, secretsManager } from '@concord/runtime';

/** Shorter ones can be guessed from a signature. */
const LEAST_CHARACTERS = 16;

/** The text of a secret: what signs webhooks. Throws an error that says what to do, and never quotes it. */
export async function readSigningSecret(secretArn: string): Promise<string> {
  const { GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
  const manager = await secretsManager();
  const { SecretString = '' } = await manager
    .send(new GetSecretValueCommand({ SecretId: secretArn }))
    .catch((error: Error) => Promise.reject(explained(secretArn, error)));
  if (SecretString.length < LEAST_CHARACTERS)
    throw new Error(`secret ${secretArn} is shorter than ${LEAST_CHARACTERS} characters: store a random text`);
  return SecretString;
}
