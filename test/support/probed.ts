import type { Resource } from '../probe/cloud.ts';
import { phasesOf } from '../probe/plan.ts';

export const REGIONS = ['eu-west-1', 'eu-central-1'] as const;
export const ACCOUNT = '111122223333';
export const RUN = 'abcd1234';
export const PHASES = phasesOf({ regions: REGIONS, runId: RUN, topologyPath: 't.json', outputPath: 'out' });

export const waiting = (signal = new AbortController().signal) => {
  const lines: string[] = [];
  return { lines, say: (line: string): void => void lines.push(line), signal, pollMs: 1, stillMs: 10_000 };
};

/** Resources of a region's stacks, as the constructs make them. */
export const RESOURCES: Readonly<Record<string, readonly Resource[]>> = {
  Database: [
    { logicalId: 'Cluster', type: 'AWS::RDS::DBCluster', physicalId: 'concord-eu-west-1' },
    { logicalId: 'DatabaseApplySecret', type: 'AWS::SecretsManager::Secret', physicalId: 'arn:apply' },
    { logicalId: 'DatabaseCaptureSecret', type: 'AWS::SecretsManager::Secret', physicalId: 'arn:capture' },
    { logicalId: 'Proxy', type: 'AWS::RDS::DBProxy', physicalId: 'concord-proxy' },
  ],
  Kafka: [
    { logicalId: 'Cluster', type: 'AWS::MSK::Cluster', physicalId: 'arn:aws:kafka:x:1:cluster/c/1' },
    { logicalId: 'Topic', type: 'AWS::MSK::Topic', physicalId: 'cdc.eu-west-1' },
    { logicalId: 'Key', type: 'AWS::KMS::Key', physicalId: 'key-1' },
  ],
  Apply: [
    { logicalId: 'From', type: 'AWS::Lambda::EventSourceMapping', physicalId: 'uuid-1' },
    { logicalId: 'Bucket', type: 'AWS::S3::Bucket', physicalId: 'failed' },
    { logicalId: 'Logs', type: 'AWS::Logs::LogGroup', physicalId: 'apply-logs' },
  ],
  Capture: [{ logicalId: 'Connector', type: 'AWS::KafkaConnect::Connector', physicalId: 'arn:connector' }],
};
