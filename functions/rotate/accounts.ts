import { canLogIn, connect, type DatabaseSecret, literal, scramVerifier, unreachable, urlOf } from '@concord/runtime';
import type { Accounts } from './steps.ts';

const DEFAULT_PORT = '5432';

/** The accounts of one database: the only one whose passwords this function changes, whatever a secret says. */
export function accountsOf(databaseUrl: string): Accounts {
  const url = new URL(databaseUrl);
  return {
    check: (secret) => check(secret, url),
    canLogIn: (secret) => canLogIn(databaseUrl, roleOf(secret), secret.password),
    changePassword: async (login, password) => {
      const role = roleOf(login);
      const credentials = { password: async () => login.password, refused: () => false };
      const sql = connect({ url: urlOf(databaseUrl, role), credentials, applicationName: 'concord-rotate' });
      try {
        await sql.unsafe(`alter role current_user password ${literal(scramVerifier(password))}`);
      } catch (error) {
        throw unreachable(databaseUrl, error as Error);
      } finally {
        await sql.end({ timeout: 1 });
      }
    },
  };
}

function roleOf({ username }: DatabaseSecret): string {
  if (typeof username !== 'string' || username === '')
    throw new Error(`the secret has no 'username': store the role's name beside its password`);
  return username;
}

/** A secret that names another server would make this function hand the password to it. */
function check(secret: DatabaseSecret, url: URL): void {
  roleOf(secret);
  const own: Readonly<Record<string, string>> = {
    host: url.hostname,
    port: url.port || DEFAULT_PORT,
    dbname: decodeURIComponent(url.pathname.slice(1)),
  };
  for (const [name, expected] of Object.entries(own)) {
    const given = secret[name];
    if (given !== undefined && String(given) !== expected)
      throw new Error(`the secret's ${name} is '${String(given)}', this function's database has '${expected}'`);
  }
}
