import { LambdaClient } from '@aws-sdk/client-lambda';
import { parseRepairRequest, type RepairAnswer } from '@concord/events';
import { applyThrough, logger, readVariable } from '@concord/runtime';
import { repair } from './repair.ts';

/** Kept for the answer. */
const RESERVE_MS = 2000;

/** Its own time ends the wait for apply, and a repeated call would only add work. */
const lambda = new LambdaClient({ maxAttempts: 1, requestHandler: { requestTimeout: 0 } });
const apply = applyThrough(lambda, readVariable('CONCORD_APPLY_FUNCTION'));

/** Called by the hub's reconcile function. */
export async function handler(
  event: unknown,
  context: { readonly getRemainingTimeInMillis: () => number },
): Promise<RepairAnswer> {
  const request = parseRepairRequest(event);
  const remainingMs = (): number => context.getRemainingTimeInMillis();
  const answer = await repair(request, {
    apply: (records) => apply(records, AbortSignal.timeout(Math.max(0, remainingMs() - RESERVE_MS))),
    remainingMs,
  });
  logger.info('repaired', { run: request.run, table: request.table, ...answer });
  return answer;
}
