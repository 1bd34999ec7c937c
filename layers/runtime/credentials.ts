import type { DatabaseConfig } from './config.ts';
import { readSecret, type SecretStage } from './secret.ts';

/** Passwords of new connections. */
export type Credentials = {
  /** For one new connection; read anew each time. */
  readonly password: () => Promise<string>;
  /** The database refused what was handed out last. False where there is nothing else to try. */
  readonly refused: () => boolean;
};

/** Undefined where the password, if any, is in the URL. */
export function credentialsOf({ url, password }: Pick<DatabaseConfig, 'url' | 'password'>): Credentials | undefined {
  if (password.kind === 'secret') return secretCredentials(password.secretArn);
  return password.kind === 'iam' ? tokenCredentials(new URL(url)) : undefined;
}

/**
 * The password in a secret. Rotation sets a password in the database a moment before it moves the label AWSCURRENT to it, so
 * after a refusal the next connection tries AWSPENDING, and the one after that AWSCURRENT again.
 */
export function secretCredentials(secretArn: string, read: typeof readSecret = readSecret): Credentials {
  let last: SecretStage = 'AWSCURRENT';
  let next: SecretStage = 'AWSCURRENT';
  return {
    password: async () => {
      [last, next] = [next, 'AWSCURRENT'];
      const secret = (await read(secretArn, last)) ?? (await read(secretArn, 'AWSCURRENT'));
      if (secret === undefined) throw new Error(`secret ${secretArn} has no version AWSCURRENT`);
      return secret.password;
    },
    refused: () => {
      next = last === 'AWSCURRENT' ? 'AWSPENDING' : 'AWSCURRENT';
      return true;
    },
  };
}

const DEFAULT_PORT = 5432;

/** An RDS IAM token per connection: it is good for 15 minutes of logging in, and the session outlives it. */
function tokenCredentials(url: URL): Credentials {
  const [hostname, port] = [url.hostname, Number(url.port || DEFAULT_PORT)];
  const username = decodeURIComponent(url.username);
  return {
    password: async () => {
      const { Signer } = await import('@aws-sdk/rds-signer');
      return new Signer({ hostname, port, username }).getAuthToken();
    },
    refused: () => false,
  };
}
