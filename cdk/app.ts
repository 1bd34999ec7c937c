import { readFileSync } from 'node:fs';
import { parseTopology } from '@concord/events';
import { App } from 'aws-cdk-lib';
import { RegionStack } from './region-stack.ts';

const file: unknown = JSON.parse(readFileSync(new URL('../concord.json', import.meta.url), 'utf8'));
const result = parseTopology(file);
if (!result.ok)
  throw new Error(
    result.problems.map(({ path, reason, hint }) => `concord.json ${path}: ${reason} (${hint})`).join('\n'),
  );

const app = new App();
for (const { name } of result.topology.regions)
  new RegionStack(app, `Concord-${name}`, { region: name, topology: result.topology });
