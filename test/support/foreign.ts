import type { Stamp, Vector } from '@concord/conflict';
import type { Message } from './records.ts';
import { versionMessage } from './versions.ts';

/** When and where a foreign version was written, and what it had seen before. */
export type Written = {
  readonly region: string;
  readonly stamp: Stamp;
  readonly seen?: Vector;
  readonly writes?: number;
};

type Key = Readonly<Record<string, string>>;
type Columns = Readonly<Record<string, string | null>>;

/** A row that another region wrote, as its connector sends it. */
export const foreignRow = (table: string, key: Key, columns: Columns, written: Written): Message =>
  versionMessage({ table, key, columns, ...written });

/** A delete in another region. */
export const foreignTombstone = (table: string, key: Key, written: Written): Message =>
  versionMessage({ table, key, kind: 'tombstone', writes: 2, ...written });

const MINUTE_US = 60_000_000;

/** So many minutes from now: 3 is a region whose clock is ahead, still below the drift limit. */
export const minutesFromNow = (minutes: number): Stamp => Date.now() * 1000 + minutes * MINUTE_US;
