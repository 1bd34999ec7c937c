import type { Deployment } from '../../cdk/read-deployment.ts';

/** Set by the probe: a deployment is not told the topology. */
const HUB = process.env.CONCORD_PROBE_HUB ?? 'us-east-1';

/** The least that can be had, and nothing that stays for its own sake: this is a trial, not an example to follow. */
export const kafka = { kind: 'msk', storageGib: 10, maxStorageGib: 20, monitoring: 'DEFAULT' } as const;

export const deployment: Deployment = {
  defaults: {
    network: { kind: 'create' },
    database: {
      kind: 'aurora',
      name: 'app',
      capacity: { kind: 'serverless', minUnits: 1, maxUnits: 2 },
      readers: 0,
      removal: 'destroy',
    },
    kafka,
    capture: {},
    replication: {},
    enroll: {},
    // So that one run sees both: a batch that is given up and fed in again, and, in the hub, one that is retried for ever.
    apply: { failedBatches: true },
    operations: {},
  },
  regions: { [HUB]: { apply: {} } },
};
