import { type DigestAnswers, type DigestRequest, parseDigestRequest } from '@concord/events';
import { connect, credentialsOf, logger, readConfig, wake } from '@concord/runtime';
import { answer } from './digest.ts';

const { region, topology, database } = readConfig();
const credentials = credentialsOf(database);
const sql = connect({ ...database, credentials, applicationName: 'concord-digest' });

type Invocation = { readonly getRemainingTimeInMillis?: () => number };

/** Invoked by the hub's reconcile function. */
export async function handler(event: unknown, invocation?: Invocation): Promise<DigestAnswers[DigestRequest['do']]> {
  try {
    const request = parseDigestRequest(event);
    await wake(sql, credentials);
    const leftMs = invocation?.getRemainingTimeInMillis?.();
    return await answer(sql, request, {
      region,
      topology,
      deadlineMs: leftMs === undefined ? undefined : Date.now() + leftMs,
    });
  } catch (error) {
    logger.error('a request for digests could not be answered', { error: error as Error });
    throw error;
  }
}
