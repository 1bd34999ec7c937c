/** Functions for the environments' tests, as a Lambda module would export them. */
import type { LambdaContext } from '../../local/mapping/environment.ts';

let invocations = 0;

export const echo = async (event: unknown): Promise<unknown> => event;
export const nothing = async (): Promise<void> => undefined;
export const count = async (): Promise<number> => ++invocations;

export const surroundings = async (_event: unknown, context: LambdaContext) => ({
  env: process.env,
  pid: process.pid,
  remainingMs: context.getRemainingTimeInMillis(),
});

export async function failOnce(): Promise<number> {
  if (++invocations === 1) throw new RangeError('only once');
  return invocations;
}

export async function hang(event: { hang?: boolean }): Promise<number> {
  if (event.hang) {
    process.stdout.write(`hanging, pid ${process.pid}\n`);
    await new Promise(() => undefined);
  }
  return process.pid;
}

export function spin(event: { spin?: boolean }): string {
  while (event.spin);
  return 'did not spin';
}

export function exit(event: { code?: number }): string {
  if (event.code !== undefined) process.exit(event.code);
  return 'did not exit';
}

export async function crash(): Promise<void> {
  setImmediate(() => {
    throw new Error('crashed behind the handler');
  });
  await new Promise(() => undefined);
}
