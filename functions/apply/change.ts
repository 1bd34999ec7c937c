import type { Version } from '@concord/conflict';
import type { ChangeEvent, KafkaRecord } from '@concord/events';

/** A decoded record: one version of one row or tombstone, and where it came from. */
export type Change = Version & {
  /** `public.users`, also for a tombstone of it. */
  readonly table: string;
  /** The texts of the key columns, joined: equal for versions of one row where the key's types print canonically. */
  readonly key: string;
  readonly event: ChangeEvent;
  readonly record: KafkaRecord;
  /** Of a repair: `contentOf` the equal version that this one is to be written over. */
  readonly insteadOf?: string;
};

/** Why a record cannot be applied now; the codes are those of `reasons.ts`. */
export type Refusal<Reason extends string = string> = {
  readonly record: KafkaRecord;
  readonly reason: Reason;
  readonly error: string;
  readonly change?: Change;
};

/** Joins key texts. */
export const KEY_SEPARATOR = '\u0002';
