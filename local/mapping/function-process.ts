/**
 * What runs in the process of a function: `node function-process.ts <module> <export>`, forked with an IPC channel. It
 * loads the handler once, answers one request after the other, and ends when the parent is gone.
 */
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Answer, contextOf, type Handler, type Request } from './invocation.ts';

const [modulePath = '', exportName = ''] = process.argv.slice(2);

const send = (answer: Answer): void => void process.send?.(answer);

const failure = (thrown: unknown, requestId: string | undefined, errorType?: string): Answer => {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { kind: 'error', requestId, errorType: errorType ?? error.name, message: error.message, stack: error.stack };
};

async function load(): Promise<Handler> {
  const module = await import(pathToFileURL(modulePath).href);
  // Not every way in which CommonJS exports can be told from the text of a module.
  const handler = module[exportName] ?? module.default?.[exportName];
  if (typeof handler !== 'function') throw new ReferenceError(`${modulePath} has no function '${exportName}'`);
  return handler;
}

async function answer(handler: Handler, { requestId, event, deadlineMs, context }: Request): Promise<Answer> {
  try {
    const whole = { ...contextOf(basename(modulePath, '.ts'), requestId, deadlineMs), ...context };
    return { kind: 'result', requestId, result: await handler(event as never, whole) };
  } catch (error) {
    return failure(error, requestId);
  }
}

process.on('disconnect', () => process.exit());
const startMs = performance.now();
try {
  const handler = await load();
  process.on('message', async (request: Request) => send(await answer(handler, request)));
  send({ kind: 'ready', initMs: performance.now() - startMs });
} catch (error) {
  send(failure(error, undefined, 'Runtime.ImportModuleError'));
}
