import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Topology } from '@concord/events';
import { type Ended, outputOf } from '../../connector/build/output.ts';
import { ACCOUNT, type LocalStack } from '../../local/localstack/localstack.ts';
import { onCleanup } from '../../local/process/cleanup.ts';
import { runDirectory } from '../../local/process/run-directory.ts';
import { topologyJson } from '../../local/region/topology.ts';

export type Ran = Ended & { readonly seconds: number };

/** The CDK app of this repository, and the `cdk` command, against LocalStack. */
export type DeployedApp = {
  readonly bootstrap: (regions: readonly string[]) => Promise<Ran>;
  /** Makes the templates; returns their folder. Throws when the app refuses. `deployment` is as `cdk/deployment.ts` has it. */
  readonly synthesize: (name: string, topology: Topology, deployment: object) => Promise<string>;
  readonly deploy: (assembly: string, ...stacks: string[]) => Promise<Ran>;
  readonly destroy: (assembly: string, ...stacks: string[]) => Promise<Ran>;
};

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CDK = join(ROOT, 'node_modules/aws-cdk/bin/cdk');
const APP = join(ROOT, 'cdk/app.ts');
const QUIET = ['--no-notices', '--no-color', '--ci'];
let count = 0;

export function deployedApp(localStack: LocalStack): DeployedApp {
  const folder = join(runDirectory(), `app-${++count}`);
  mkdirSync(folder, { mode: 0o755 });
  // What the command keeps between runs stays out of the user's home.
  const home = { HOME: folder, CDK_HOME: join(folder, '.cdk'), CDK_DISABLE_CLI_TELEMETRY: 'true' };
  const environment = { PATH: process.env.PATH ?? '', ...localStack.env(), ...home };
  const cdk = (...args: string[]): Promise<Ran> => run([CDK, ...QUIET, ...args], environment, folder);
  return {
    // In a folder without a cdk.json, or the app would be run for nothing.
    bootstrap: (regions) => cdk('bootstrap', ...regions.map((region) => `aws://${ACCOUNT}/${region}`)),
    synthesize: async (name, topology, deployment) => {
      const [topologyFile, module] = [join(folder, `${name}.json`), join(folder, `${name}.mjs`)];
      writeFileSync(topologyFile, topologyJson(topology));
      writeFileSync(module, `export const deployment = ${JSON.stringify(deployment)};\n`);
      const CDK_OUTDIR = join(folder, `${name}.out`);
      const CDK_CONTEXT_JSON = JSON.stringify({ topology: topologyFile, deployment: module });
      const { code, output } = await run([APP], { ...environment, CDK_OUTDIR, CDK_CONTEXT_JSON }, ROOT);
      if (code !== 0) throw new Error(`cdk/app.ts ended with ${code}\n${output}`);
      return CDK_OUTDIR;
    },
    deploy: (assembly, ...stacks) =>
      cdk('deploy', ...stacks, '--app', assembly, '--require-approval', 'never', '--concurrency', '4'),
    destroy: (assembly, ...stacks) => cdk('destroy', ...stacks, '--app', assembly, '--force', '--concurrency', '4'),
  };
}

/** Runs a Node program to its end, whatever that is. */
async function run(args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): Promise<Ran> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const forget = onCleanup({ kill: () => void child.kill('SIGKILL') });
  const ended = await outputOf(child).finally(forget);
  return { ...ended, seconds: (performance.now() - startedAt) / 1000 };
}
