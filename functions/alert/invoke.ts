import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';

/** Calls a function and waits for its answer. Rejects when the function itself failed, or took longer. */
export async function invoke(
  lambda: LambdaClient,
  FunctionName: string,
  event: unknown,
  timeoutMs: number,
): Promise<unknown> {
  const command = new InvokeCommand({ FunctionName, Payload: JSON.stringify(event) });
  const { FunctionError, Payload } = await lambda.send(command, { abortSignal: AbortSignal.timeout(timeoutMs) });
  const text = Payload?.transformToString() ?? '';
  if (FunctionError !== undefined) throw new Error(`${FunctionName} failed: ${FunctionError}: ${text.slice(0, 1000)}`);
  return JSON.parse(text || 'null');
}
