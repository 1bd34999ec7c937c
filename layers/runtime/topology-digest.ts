import { createHash } from 'node:crypto';
import type { Topology } from '@concord/events';

/** Tells versions of the topology apart: regions that differ in it must not be compared. */
export const topologyDigest = (topology: Topology): string =>
  createHash('sha256').update(JSON.stringify(topology)).digest('hex');
