/** A process that owns an environment and tells the function's process id, until it is killed. */
import { inChildProcess } from '../../local/mapping/environment.ts';

const [modulePath = ''] = process.argv.slice(2);
const environment = inChildProcess({ modulePath, exportName: 'surroundings', env: {}, timeoutMs: 10_000 });
const { pid } = (await environment.invoke({})) as { pid: number };
process.send?.(pid);
