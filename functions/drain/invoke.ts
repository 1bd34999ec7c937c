import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { BatchResponse } from '@concord/events';
import type { DrainOptions } from './drain.ts';

/** Calls a function and waits for its answer. Rejects when the function itself failed. */
export function applyThrough(lambda: LambdaClient, FunctionName: string): DrainOptions['apply'] {
  return async (event, abortSignal) => {
    const command = new InvokeCommand({ FunctionName, Payload: JSON.stringify(event) });
    const { FunctionError, Payload } = await lambda.send(command, { abortSignal });
    const text = Payload?.transformToString() ?? '';
    if (FunctionError !== undefined) throw new Error(`apply failed: ${FunctionError}: ${text.slice(0, 1000)}`);
    const answer = JSON.parse(text || 'null') as BatchResponse | null;
    return answer ?? { batchItemFailures: [] };
  };
}
