import type { Deployment } from './read-deployment.ts';

/**
 * What each region of `concord.json` is deployed with: this is the file to edit. Every option, its default and what it costs is
 * described at its type; docs/deploy.md walks through a first deployment.
 */
export const deployment: Deployment = {
  defaults: {
    network: { kind: 'create' },
    database: { kind: 'aurora', name: 'app' },
    kafka: { kind: 'msk' },
    capture: {},
    replication: {},
    enroll: {},
    apply: {},
    operations: {},
  },
  regions: {},
};
