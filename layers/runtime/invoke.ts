import type { LambdaClient } from '@aws-sdk/client-lambda';
import type { BatchResponse, KafkaEvent } from '@concord/events';

/**
 * Calls a function and waits for its answer. Rejects when the function itself failed, with what it said. The SDK is loaded with the
 * first call: most functions never make one.
 */
export async function invokeFunction(
  lambda: LambdaClient,
  FunctionName: string,
  payload: unknown,
  abortSignal?: AbortSignal,
): Promise<unknown> {
  const { InvokeCommand } = await import('@aws-sdk/client-lambda');
  const command = new InvokeCommand({ FunctionName, Payload: JSON.stringify(payload) });
  const { FunctionError, Payload } = await lambda.send(command, abortSignal === undefined ? {} : { abortSignal });
  const text = Payload?.transformToString() ?? '';
  if (FunctionError !== undefined) throw new Error(`${FunctionName} failed: ${FunctionError}: ${text.slice(0, 1000)}`);
  return JSON.parse(text || 'null');
}

export type ApplyFunction = (event: KafkaEvent, signal?: AbortSignal) => Promise<BatchResponse>;

/** A region's apply function, for records that Concord itself hands on; `signal` ends the wait for it. */
export const applyThrough =
  (lambda: LambdaClient, functionName: string): ApplyFunction =>
  async (event, signal) =>
    ((await invokeFunction(lambda, functionName, event, signal)) as BatchResponse | null) ?? { batchItemFailures: [] };
