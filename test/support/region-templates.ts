import type { Topology } from '@concord/events';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { deployment as standard } from '../../cdk/deployment.ts';
import type { Deployment, RegionDeployment } from '../../cdk/read-deployment.ts';
import { RegionStage } from '../../cdk/region-stage.ts';
import { topologyOf } from './regions.ts';

export const REGIONS = ['us-east-1', 'eu-west-1', 'ap-south-1'];
export const TOPOLOGY: Topology = topologyOf({ names: REGIONS, tables: ['public.users'] });

/** The standard deployment, with some sections replaced. */
export const deploymentWith = (sections: Partial<RegionDeployment>): Deployment => ({
  ...standard,
  defaults: { ...standard.defaults, ...sections },
});

/** The stacks of one region, by name: `stacksOf('eu-west-1').Apply`. */
export function stacksOf(region: string, sections: Partial<RegionDeployment> = {}): Record<string, Template> {
  const deployment = deploymentWith(sections);
  const stage = new RegionStage(new App(), { topology: TOPOLOGY, region, deployment, pluginZip: undefined });
  return Object.fromEntries(
    stage
      .synth()
      .stacks.map(({ stackName, template }) => [
        stackName.replace(`Concord-${region}-`, ''),
        Template.fromJSON(template),
      ]),
  );
}
