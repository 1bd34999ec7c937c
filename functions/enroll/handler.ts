import { canLogIn, connect, credentialsOf, logger, readConfig, readSecret, unreachable, wake } from '@concord/runtime';
import { type EnrollTarget, onResourceEvent, type ResourceResponse } from './custom-resource.ts';

/** A connection for one request: CloudFormation sends one in weeks. */
async function open<T>(work: (target: EnrollTarget) => Promise<T>): Promise<T> {
  const { region, topology, database } = readConfig();
  const credentials = credentialsOf(database);
  const sql = connect({ ...database, credentials, applicationName: 'concord-enroll' });
  try {
    await wake(sql, credentials);
    return await work({
      ...{ region, topology, sql, readSecret },
      canLogIn: (role, password) => canLogIn(database.url, role, password),
    });
  } catch (error) {
    throw unreachable(database.url, error as Error);
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
