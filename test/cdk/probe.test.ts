import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { parseTopology } from '@concord/events';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { regionDeployment } from '../../cdk/read-deployment.ts';
import { RegionStage } from '../../cdk/region-stage.ts';
import type { Resource } from '../probe/cloud.ts';
import { deployment } from '../probe/deployment.ts';
import { deployment as connected } from '../probe/deployment-connected.ts';
import { leftoversOf } from '../probe/leftovers.ts';
import { PARTS, type Part, type ProbedRegion, probedRegion, stackName } from '../probe/region.ts';
import topologyFile from '../probe/topology.json' with { type: 'json' };

const [HUB, SPOKE] = ['us-east-1', 'us-west-2'] as const;

/** What CloudFormation would tell of a region's stacks, with the logical ids in place of the physical ones; and what they keep. */
function synthesised(region: string): { parts: Partial<Record<Part, Resource[]>>; kept: Resource[] } {
  const result = parseTopology(topologyFile);
  assert.ok(result.ok);
  const { topology } = result;
  const stage = new RegionStage(new App(), { topology, region, deployment, pluginZip: undefined });
  const parts: Partial<Record<Part, Resource[]>> = {};
  const kept: Resource[] = [];
  for (const part of PARTS) {
    const stack = stage.node.tryFindChild(part);
    if (!(stack instanceof Stack)) continue;
    assert.equal(stack.stackName, stackName(region, part));
    const resources = Template.fromStack(stack).toJSON().Resources as Record<
      string,
      { Type: string; DeletionPolicy?: string }
    >;
    parts[part] = Object.entries(resources).map(([logicalId, { Type, DeletionPolicy }]) => {
      const resource = { logicalId, type: Type, physicalId: logicalId };
      if (DeletionPolicy !== undefined && DeletionPolicy !== 'Delete') kept.push(resource);
      return resource;
    });
  }
  return { parts, kept };
}

describe('the deployment of the probe', () => {
  let hub: ReturnType<typeof synthesised>;
  let spoke: ReturnType<typeof synthesised>;
  const found = (region: string, { parts }: typeof hub): ProbedRegion =>
    probedRegion({ region, clusterArn: '', secretArn: '', database: 'app' }, parts);

  before(() => {
    hub = synthesised(HUB);
    spoke = synthesised(SPOKE);
  });

  test('has what the story looks for', () => {
    const { proxy, applySecretArn, captureSecretArn, mappings, alarms, logGroups } = found(SPOKE, spoke);
    assert.match(proxy, /Proxy/);
    assert.match(applySecretArn, /ApplySecret/);
    assert.match(captureSecretArn, /CaptureSecret/);
    assert.equal(mappings.length, 1);
    assert.ok(alarms.length > 5);
    assert.ok(logGroups.length > 3);
  });

  test('gives batches up in the second region and retries for ever in the hub', () => {
    assert.equal(found(HUB, hub).failedBucket, undefined);
    assert.match(found(SPOKE, spoke).failedBucket ?? '', /FailedBatches/);
  });

  test('keeps nothing that the probe does not know how to remove', () => {
    for (const { kept } of [hub, spoke]) {
      assert.ok(kept.some(({ type }) => type === 'AWS::MSK::Cluster'));
      assert.deepEqual(leftoversOf(kept).unknown, []);
    }
  });

  test('differs in its two steps by the connectivity of the brokers alone', () => {
    const { kafka: first, ...rest } = regionDeployment(deployment, SPOKE);
    const { kafka: second, ...restLater } = regionDeployment(connected, SPOKE);
    assert.deepEqual(restLater, rest);
    assert.deepEqual(second, { ...first, multiVpc: true });
  });
});
