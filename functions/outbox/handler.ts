import { type OutboxAnswers, parseOutboxRequest } from '@concord/events';
import { connect, credentialsOf, logger, readDatabaseConfig, wake } from '@concord/runtime';
import { answer } from './outbox.ts';

const database = readDatabaseConfig();
const credentials = credentialsOf(database);
const sql = connect({ ...database, credentials, applicationName: 'concord-outbox' });

/** Keeps the alerts in the hub's database for the alert function, which is outside of its network. */
export async function handler(event: unknown): Promise<OutboxAnswers[keyof OutboxAnswers]> {
  try {
    const request = parseOutboxRequest(event);
    await wake(sql, credentials);
    return await answer(sql, request);
  } catch (error) {
    logger.error('the outbox failed', { error: error as Error });
    throw error;
  }
}
