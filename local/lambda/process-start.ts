import { existsSync } from 'node:fs';
import { delimiter, sep } from 'node:path';
import type { ProcessStart } from '../mapping/child-process.ts';
import type { Sandbox } from './sandbox.ts';

export type FunctionSettings = {
  readonly name: string;
  readonly region: string;
  readonly memoryMb: number;
  /** The function's own variables. */
  readonly environment: Readonly<Record<string, string>>;
};

/** As the bootstrap script of Lambda's Node.js runtime sets them: a tenth for the young generation, the rest for the old one. */
function heapArguments(memoryMb: number): string[] {
  const newSpaceMb = Math.floor(memoryMb / 10);
  return [
    `--max-semi-space-size=${Math.floor(newSpaceMb / 2)}`,
    `--max-old-space-size=${Math.floor(memoryMb - newSpaceMb)}`,
  ];
}

/** util-linux. The process dies with the one that started it even while it is frozen and can see nothing. */
const SETPRIV = '/usr/bin/setpriv';
const DIES_WITH_PARENT = existsSync(SETPRIV)
  ? { launcher: { program: SETPRIV, arguments: ['--pdeathsig', 'KILL', '--'] } }
  : {};

/** How Node runs a function on Lambda: no `require` of ES modules, nothing writable but one folder. */
export const processStart = (memoryMb: number, { taskRoot }: Sandbox, temporary: string): ProcessStart => ({
  directory: taskRoot,
  ...DIES_WITH_PARENT,
  nodeArguments: [
    '--no-experimental-require-module',
    ...heapArguments(memoryMb),
    '--permission',
    '--allow-fs-read=*',
    `--allow-fs-write=${temporary}${sep}`,
  ],
});

/** The whole environment of the process: what Lambda sets, and the function's own variables, which may not replace that. */
export const variablesOf = (
  settings: FunctionSettings,
  sandbox: Sandbox,
  temporary: string,
): Record<string, string> => ({
  ...settings.environment,
  AWS_DEFAULT_REGION: settings.region,
  AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(settings.memoryMb),
  AWS_LAMBDA_FUNCTION_NAME: settings.name,
  AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
  AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
  AWS_LAMBDA_LOG_FORMAT: 'JSON',
  AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${settings.name}`,
  AWS_LAMBDA_LOG_LEVEL: 'INFO',
  AWS_REGION: settings.region,
  LAMBDA_TASK_ROOT: sandbox.taskRoot,
  LANG: 'en_US.UTF-8',
  NODE_PATH: sandbox.nodePath.join(delimiter),
  PATH: '/usr/local/bin:/usr/bin:/bin',
  TMPDIR: temporary,
  TZ: ':UTC',
  _HANDLER: 'index.handler',
});
