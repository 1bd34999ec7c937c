import { type ConflictsAnswer, parseConflictsRequest } from '@concord/events';
import { connect, credentialsOf, logger, readDatabaseConfig, wake } from '@concord/runtime';
import { readConflicts } from './conflicts.ts';

const database = readDatabaseConfig();
const credentials = credentialsOf(database);
const sql = connect({ ...database, credentials, applicationName: 'concord-conflicts' });

/** Invoked by the hub's alert function, for what this region has logged since. */
export async function handler(event: unknown): Promise<ConflictsAnswer> {
  try {
    const request = parseConflictsRequest(event);
    await wake(sql, credentials);
    return await readConflicts(sql, request);
  } catch (error) {
    logger.error('the conflict log could not be read', { error: error as Error });
    throw error;
  }
}
