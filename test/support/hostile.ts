import type { ReasonCode } from '../../functions/apply/reasons.ts';
import { hostileBytes } from './hostile-bytes.ts';
import { hostileMetadata } from './hostile-metadata.ts';
import { hostileNames } from './hostile-names.ts';
import { hostileValues } from './hostile-values.ts';

/** A record that somebody broke, and what must become of it: a reason to park it, or `applied` where it is harmless. */
export type Hostile = {
  readonly what: string;
  readonly becomes: ReasonCode | 'applied';
  readonly value: string | Uint8Array | null;
  readonly key?: string | null;
  /** Base64 as delivered, where it is not that of `value`. */
  readonly base64?: string;
  /** Kafka's timestamp, ms. */
  readonly timestamp?: number;
  /** Read back where it is harmless: a query that must return `expected`. */
  readonly query?: string;
  readonly expected?: string;
};

export const hostileRecords = (): Hostile[] => [
  ...hostileBytes(),
  ...hostileMetadata(),
  ...hostileNames(),
  ...hostileValues(),
];
