import {
  canLogIn,
  connect,
  credentialsOf,
  type DatabaseConfig,
  logger,
  readConfig,
  readSecret,
  unreachable,
  urlOf,
  wake,
} from '@concord/runtime';
import { type EnrollTarget, onResourceEvent, type ResourceResponse } from './custom-resource.ts';

/** Administrators are called differently everywhere: where the URL names nobody, their secret does. */
async function urlWithUser({ url, password }: DatabaseConfig): Promise<string> {
  if (password.kind !== 'secret' || new URL(url).username !== '') return url;
  const secret = await readSecret(password.secretArn, 'AWSCURRENT');
  if (typeof secret?.username !== 'string')
    throw new Error(`secret ${password.secretArn} has no 'username': store {"username": …, "password": …}`);
  return urlOf(url, secret.username);
}

/** A connection for one request: CloudFormation sends one in weeks. */
async function open<T>(work: (target: EnrollTarget) => Promise<T>): Promise<T> {
  const { region, topology, database } = readConfig();
  const url = await urlWithUser(database);
  const credentials = credentialsOf(database);
  const sql = connect({ ...database, url, credentials, applicationName: 'concord-enroll' });
  try {
    await wake(sql, credentials);
    return await work({
      ...{ region, topology, sql, readSecret },
      canLogIn: (role, password) => canLogIn(url, role, password),
    });
  } catch (error) {
    throw unreachable(url, error as Error);
  } finally {
    await sql.end({ timeout: 2 });
  }
}

/** `onEvent` of the custom resource that enrolls a region's database. */
export async function handler(event: unknown): Promise<ResourceResponse> {
  try {
    return await onResourceEvent(event, open, (message, details) => logger.info(message, details));
  } catch (error) {
    logger.error('enrolling failed', { error: error as Error });
    throw error;
  }
}
