import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

/** The label of a secret's version: in use, on its way in, on its way out. */
export type SecretStage = 'AWSCURRENT' | 'AWSPENDING' | 'AWSPREVIOUS';

/** What a database secret holds: `password`, and what rotation and people keep beside it. */
export type DatabaseSecret = Readonly<Record<string, unknown>> & { readonly password: string };

/** Unreachable endpoints (no VPC endpoint) must fail within an invocation, not after the SDK's default of minutes. */
const CONNECT_TIMEOUT_MS = 2000;
const REQUEST_TIMEOUT_MS = 3000;

let client: Promise<SecretsManagerClient> | undefined;

/** One client per process, made when it is first needed: who has no secrets never loads the SDK. */
export function secretsManager(): Promise<SecretsManagerClient> {
  client ??= import('@aws-sdk/client-secrets-manager').then(
    (sdk) =>
      new sdk.SecretsManagerClient({
        requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
      }),
  );
  return client;
}

/** The version with this label, or undefined when no version has it. Throws an error that says what to do. */
export async function readSecret(secretArn: string, stage: SecretStage): Promise<DatabaseSecret | undefined> {
  const { GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
  const manager = await secretsManager();
  const command = new GetSecretValueCommand({ SecretId: secretArn, VersionStage: stage });
  const answer = await manager.send(command).catch((error: Error) => {
    // Also when the secret itself is not there: AWSCURRENT, which every secret has, tells.
    if (error.name === 'ResourceNotFoundException' && stage !== 'AWSCURRENT') return undefined;
    throw explained(secretArn, error);
  });
  return answer && parseSecret(secretArn, answer.SecretString);
}

/** Throws when the text is not a JSON object with a `password`. Never quotes it. */
export function parseSecret(secretArn: string, text: string | undefined): DatabaseSecret {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null)
    throw new Error(`secret ${secretArn} is not a JSON object: store {"username": …, "password": …}`);
  const { password } = value as Record<string, unknown>;
  if (typeof password !== 'string' || password === '')
    throw new Error(`secret ${secretArn} has no 'password': store {"username": …, "password": …}`);
  return value as DatabaseSecret;
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

const HINTS: Readonly<Record<string, string>> = {
  ResourceNotFoundException: 'create it in this region, or correct the ARN; has it been deleted?',
  AccessDeniedException:
    'allow secretsmanager:GetSecretValue on it, and kms:Decrypt on its key, to the function’s role',
  DecryptionFailure: 'allow kms:Decrypt on its key to the function’s role',
  InvalidRequestException: 'is it marked for deletion? restore it',
  TimeoutError: 'does the VPC have an endpoint for Secrets Manager, or a way to the internet?',
};

/** Names the secret and what to do; the SDK's own error names neither. */
export const explained = (secretArn: string, error: Error): Error =>
  new Error(`secret ${secretArn}: ${error.name}: ${error.message}${hintOf(error)}`, { cause: error });

const hintOf = ({ name }: Error): string => (HINTS[name] === undefined ? '' : `; ${HINTS[name]}`);
