import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { applyThrough, logger, readVariable } from '@concord/runtime';
import { bucketOf } from './bucket.ts';
import { type Drained, drain } from './drain.ts';

const bucket = bucketOf(readVariable('CONCORD_FAILED_BUCKET'), new S3Client({}));
/** A batch takes apply as long as apply may take: the drain's own time ends the wait, and a repeated call would only add work. */
const lambda = new LambdaClient({ maxAttempts: 1, requestHandler: { requestTimeout: 0 } });
const apply = applyThrough(lambda, readVariable('CONCORD_APPLY_FUNCTION'));

/** Run on a schedule and on demand; the event says nothing. */
export async function handler(
  _event: unknown,
  context: { readonly getRemainingTimeInMillis: () => number },
): Promise<Drained> {
  const result = await drain({
    batches: bucket,
    apply,
    remainingMs: () => context.getRemainingTimeInMillis(),
    onWarning: (message, details) => logger.warn(message, details),
  });
  const isClear = result.failed + result.foreign + result.left === 0;
  logger[isClear ? 'info' : 'warn']('drained', result);
  return result;
}
