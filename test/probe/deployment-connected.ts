import type { Deployment } from '../../cdk/read-deployment.ts';
import { kafka, deployment as unconnected } from './deployment.ts';

/** `deployment.ts` with private connectivity of the brokers: MSK refuses to make a cluster that has it from the start. */
export const deployment: Deployment = {
  ...unconnected,
  defaults: { ...unconnected.defaults, kafka: { ...kafka, multiVpc: true } },
};
