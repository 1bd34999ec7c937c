import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));
const SCOPES = ['@aws-sdk', '@smithy'];

/**
 * Makes the folder that stands for /var/runtime/node_modules: the AWS SDK as this project has it, and nothing else, so that
 * functions find `@concord/*` in their layers only. (`client-sfn` is a dev dependency for this: CDK's provider framework loads it.)
 */
export function makeRuntimeModules(directory: string): void {
  for (const scope of SCOPES) {
    mkdirSync(join(directory, scope), { recursive: true });
    for (const name of readdirSync(join(MODULES, scope)))
      symlinkSync(join(MODULES, scope, name), join(directory, scope, name));
  }
}
