import { connect } from './postgres.ts';
import { isRefusedLogin } from './wake.ts';

/** The URL of the same database for another role, without a password. */
export function urlOf(url: string, role: string): string {
  const other = new URL(url);
  other.username = encodeURIComponent(role);
  other.password = '';
  return other.href;
}

/** Does the database let this role in with this password? Throws when it cannot be asked. */
export async function canLogIn(url: string, role: string, password: string): Promise<boolean> {
  const credentials = { password: async () => password, refused: () => false };
  const sql = connect({ url: urlOf(url, role), credentials, applicationName: 'concord-login' });
  try {
    await sql.unsafe('select 1');
    return true;
  } catch (error) {
    if (isRefusedLogin(error)) return false;
    throw unreachable(url, error as Error);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const NETWORK = /^(?:E[A-Z]+|CONNECT_TIMEOUT|CONNECTION_\w+)$/;
const CERTIFICATE = /^(?:ERR_TLS_\w+|\w*CERT\w*|UNABLE_TO_\w+)$/;

/** Adds to an error of a connection where it went and what to look at; leaves those of statements as they are. */
export function unreachable(url: string, error: Error & { code?: unknown }): Error {
  const hint = hintOf(String(error.code));
  if (hint === undefined) return error;
  return new Error(`database ${new URL(url).host}: ${error.message || error.code}; ${hint}`, { cause: error });
}

function hintOf(code: string): string | undefined {
  if (CERTIFICATE.test(code))
    return 'its certificate was refused: is the host name the one in it, and does NODE_EXTRA_CA_CERTS name its authority (on Lambda /var/runtime/ca-cert.pem)?';
  if (NETWORK.test(code))
    return 'it cannot be reached: is it running, do its security group and the subnets let this function in?';
  return undefined;
}
