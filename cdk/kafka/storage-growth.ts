import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import type { CfnCluster } from 'aws-cdk-lib/aws-msk';
import type { Construct } from 'constructs';

const NAMESPACE = 'kafka';
const DIMENSION = 'kafka:broker-storage:VolumeSize';
/** MSK's advice: a volume grows at most every six hours, so there must be room left. */
const TARGET_PERCENT = 60;

/** Volumes grow before they are full: a full broker stops, and with it capture. They never shrink. */
export function growStorage(
  scope: Construct,
  cluster: CfnCluster,
  { fromGib, toGib }: { readonly fromGib: number; readonly toGib: number },
): void {
  const target = new CfnScalableTarget(scope, 'Storage', {
    serviceNamespace: NAMESPACE,
    scalableDimension: DIMENSION,
    resourceId: cluster.attrArn,
    minCapacity: fromGib,
    maxCapacity: toGib,
  });
  new CfnScalingPolicy(scope, 'StorageGrowth', {
    policyName: 'storage',
    policyType: 'TargetTrackingScaling',
    scalingTargetId: target.ref,
    targetTrackingScalingPolicyConfiguration: {
      predefinedMetricSpecification: { predefinedMetricType: 'KafkaBrokerStorageUtilization' },
      targetValue: TARGET_PERCENT,
      disableScaleIn: true,
    },
  });
}
