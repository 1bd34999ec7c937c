import { readFileSync } from 'node:fs';
import { parseTopology, type Topology, type TopologyProblem } from '@concord/events';
import { App } from 'aws-cdk-lib';
import { checkPluginZip, PluginProblem, pluginZip, ToolchainMissing } from '../connector/plugin-zip.ts';
import { HubStage } from './hub-stage.ts';
import { checkWithNag } from './nag.ts';
import { type Deployment, deploymentProblems, readDeployment, regionDeployment } from './read-deployment.ts';
import { RegionStage } from './region-stage.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Ends the synthesis: what is wrong, where, and what to do, without a stack trace. */
function refuse(problems: readonly TopologyProblem[]): never {
  for (const { path, reason, hint } of problems) say(`error: ${path}: ${reason}\n  hint: ${hint}`);
  process.exit(1);
}

function readTopology(path: string): Topology {
  try {
    const result = parseTopology(JSON.parse(readFileSync(path, 'utf8')));
    if (result.ok) return result.topology;
    return refuse(result.problems.map((problem) => ({ ...problem, path: `${path} ${problem.path}` })));
  } catch (error) {
    return refuse([
      {
        path,
        reason: (error as Error).message,
        hint: 'concord.json is the topology; another file: -c topology=<file>',
      },
    ]);
  }
}

async function readChecked(path: string, topology: Topology): Promise<Deployment> {
  const deployment = await readDeployment(path).catch((error: Error) =>
    refuse([
      {
        path,
        reason: error.message,
        hint: 'cdk/deployment.ts shows what it looks like; another file: -c deployment=<file>',
      },
    ]),
  );
  const problems = [...deploymentProblems(deployment, topology)];
  return problems.length === 0 ? deployment : refuse(problems);
}

/** Undefined where no region makes its own brokers, or where it cannot be built: then it says so, and the rest can be synthesised. */
async function findPlugin(deployment: Deployment, topology: Topology): Promise<string | undefined> {
  if (topology.regions.every(({ name }) => regionDeployment(deployment, name).kafka.kind !== 'msk')) return undefined;
  try {
    if (deployment.pluginZip === undefined) return await pluginZip({ onProgress: say });
    checkPluginZip(deployment.pluginZip);
    return deployment.pluginZip;
  } catch (error) {
    if (error instanceof PluginProblem) return refuse([{ path: 'pluginZip', reason: error.message, hint: error.hint }]);
    if (!(error instanceof ToolchainMissing)) throw error;
    say(`warning: ${error.message}: the stacks Capture and Replication are left out\n  hint: ${error.hint}`);
    return undefined;
  }
}

const app = new App({
  context: {
    // A template that CloudFormation's schemas refuse is an error here, not after an hour of deploying.
    '@aws-cdk/core:validateAgainstDefaultRules': true,
    // Exports: a stack that others use is not changed beneath them.
    '@aws-cdk/core:defaultCrossStackReferences': 'strong',
  },
});
const fromContext = (name: string, otherwise: string): string => app.node.tryGetContext(name) ?? otherwise;
const topology = readTopology(fromContext('topology', 'concord.json'));
const deployment = await readChecked(fromContext('deployment', 'cdk/deployment.ts'), topology);
const plugin = await findPlugin(deployment, topology);
for (const { name } of topology.regions)
  new RegionStage(app, { topology, region: name, deployment, pluginZip: plugin });
new HubStage(app, { topology, deployment });
checkWithNag(app);
