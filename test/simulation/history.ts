import type { Version } from '@concord/conflict';
import type { ChangeEvent, KafkaRecord } from '@concord/events';
import type { Change } from '../../functions/apply/change.ts';
import { Violation } from './violation.ts';

/** A version that was committed somewhere, with its real ancestry. */
export type Write = {
  readonly id: number;
  readonly key: number;
  readonly version: Version;
  /** Bit i: write i is this one or an ancestor by parent pointers. This is the oracle; the vectors are what is on trial. */
  readonly ancestors: number;
  /** The same, with rows beneath a newer tombstone that their own user deleted: nobody would miss them. */
  readonly covers: number;
  /** The row's content: the id, so that equal stamps with another content are found. */
  readonly event: ChangeEvent;
};

/** All writes of one schedule. A set of writes is a bit mask, hence the limit. */
export const MAX_WRITES = 31;

export type History = readonly Write[];

const NOWHERE = { topic: '', partition: 0, offset: 0, timestamp: 0, timestampType: '' };

export const keyName = (key: number): string => `k${key}`;

/** The order once more, by itself: a bug in the core's must not hide itself here. */
export function rankOf(a: Version, b: Version): -1 | 0 | 1 {
  if (a.stamp !== b.stamp) return a.stamp > b.stamp ? 1 : -1;
  return Buffer.compare(Buffer.from(a.region), Buffer.from(b.region));
}

/**
 * What a local write found: the state that it goes on from, and what lies beneath it. A tombstone beneath has lost before. A
 * row beneath a newer tombstone that it did not see (not yet settled) is still there for its user: who deletes it, saw it.
 */
export type Ground = { readonly parent?: Write; readonly beneath?: Write };

/** I12: a write is greater than all that it found, whatever the clock says. */
export function addWrite(history: Write[], key: number, version: Version, { parent, beneath }: Ground): Write {
  const id = history.length;
  if (id >= MAX_WRITES) throw new Error('a schedule has too many writes');
  const twin = history.find((other) => other.key === key && rankOf(other.version, version) === 0);
  if (twin !== undefined) throw new Violation('order', `v${id} has the rank of v${twin.id}`);
  for (const found of [parent, beneath])
    if (found !== undefined && rankOf(version, found.version) <= 0)
      throw new Violation('I12', `v${id} is not newer than v${found.id}, which it replaces`);
  const ancestors = (parent?.ancestors ?? 0) | (1 << id);
  const covers = ancestors | (parent?.covers ?? 0) | (beneath?.version.kind === 'row' ? beneath.covers : 0);
  const write = { id, key, version, ancestors, covers, event: { write: id } as unknown as ChangeEvent };
  history.push(write);
  return write;
}

/** The write as a freshly decoded record: each delivery makes an object of its own, as decoding does. */
export const changeOf = ({ version, key, event }: Write, record: KafkaRecord = NOWHERE): Change => ({
  kind: version.kind,
  stamp: version.stamp,
  region: version.region,
  vector: version.vector,
  writes: version.writes,
  table: 'public.items',
  key: keyName(key),
  event,
  record,
});

export const idOf = (change: Change): number => Number(change.event.write);

export function writeOf(history: History, change: Change): Write {
  const write = history[idOf(change)];
  if (write === undefined) throw new Error(`no write ${idOf(change)}`);
  return write;
}

/** The greatest version of a key ever committed anywhere: what every region must end with (I2). */
export function winnerOf(history: History, key: number): Write | undefined {
  let winner: Write | undefined;
  for (const write of history)
    if (write.key === key && (winner === undefined || rankOf(write.version, winner.version) > 0)) winner = write;
  return winner;
}
