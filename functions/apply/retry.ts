import type { KafkaRecord, Topology } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { type Catalogue, CatalogueChanged, checkCatalogue } from './catalogue-cache.ts';
import type { Change, Refusal } from './change.ts';
import type { Deadline } from './deadline.ts';
import { type DecodeContext, decodeChange } from './decode.ts';
import { claimDue, closeParked, type DueRecord, type Kept, keepParked, postponeParked, readClock } from './parked.ts';
import { setUp } from './set-up.ts';
import { writeIsolated } from './write-changes.ts';

const SHARE = { records: 1000, bytes: 4_000_000 };
/** What is tried again comes again, so it hardly waits: a hundred rows that one session holds must not stop a partition. */
const LOCK_TIMEOUT_MS = 10;
/** The next batch of the partition waits meanwhile. */
const BUDGET_MS = 3000;
/** Migrations come one after the other, seldom three at a time. */
const MAX_CHANGES = 3;

export type RetryOptions = {
  readonly topology: Topology;
  /** This function's clock, µs since 1970. */
  readonly now: () => number;
  /** As the database has it now. */
  readonly catalogue: () => Promise<Catalogue>;
  readonly deadline?: Deadline | undefined;
};

/** Gone in or overtaken; tried in vain; not tried because their table is not live. */
export type Retried = { readonly closed: number; readonly kept: number; readonly postponed: number };

/**
 * Tries parked records again whose time has come, each once, oldest first, through the same path, as long as there is time and
 * any of them closes. One that goes in, or that a newer version has overtaken, closes; the others wait longer. They were
 * accounted for when they were parked, so no tally changes.
 */
export async function retryParked(sql: Sql, options: RetryOptions): Promise<Retried> {
  const endMs = performance.now() + BUDGET_MS;
  const dueAt = await readClock(sql);
  let total: Retried = { closed: 0, kept: 0, postponed: 0 };
  for (;;) {
    const { closed, kept, postponed } = await retryUnderCurrent(sql, dueAt, options);
    total = { closed: total.closed + closed, kept: total.kept + kept, postponed: total.postponed + postponed };
    if (closed === 0 || performance.now() > endMs || options.deadline?.isOver() === true) return total;
  }
}

/** A share under the catalogue as it is when it commits: a column added meanwhile would have been left at its default. */
async function retryUnderCurrent(sql: Sql, dueAt: string, options: RetryOptions): Promise<Retried> {
  for (let changes = 0; ; changes++) {
    const catalogue = await options.catalogue();
    try {
      return await retryShare(sql, dueAt, catalogue, options);
    } catch (error) {
      if (!(error instanceof CatalogueChanged) || changes === MAX_CHANGES) throw error;
    }
  }
}

function retryShare(sql: Sql, dueAt: string, catalogue: Catalogue, { topology, now }: RetryOptions): Promise<Retried> {
  const context = { topology, tables: catalogue.tables, now: now() };
  return sql.begin(async (tx) => {
    await setUp(tx, LOCK_TIMEOUT_MS);
    const due = await claimDue(tx, dueAt, SHARE);
    const { changes, refused, postponed } = decodeDue(due, context, catalogue);
    const outcome = await writeIsolated(tx, [...changes.keys()], catalogue);
    const kept = [...refused, ...outcome.refused.map((refusal) => ({ refusal, due: dueOf(refusal, changes) }))];
    const stays = new Set([...kept.map(({ due: of }) => of), ...postponed]);
    const closed = due.filter((record) => !stays.has(record));
    await closeParked(tx, closed);
    await keepParked(tx, kept, topology.limits.parkedAttempts);
    await postponeParked(tx, postponed);
    await checkCatalogue(tx, catalogue, outcome.tables);
    return { closed: closed.length, kept: kept.length, postponed: postponed.length };
  }) as Promise<Retried>;
}

type DecodedDue = {
  readonly changes: ReadonlyMap<Change, DueRecord>;
  readonly refused: readonly Kept[];
  readonly postponed: readonly DueRecord[];
};

function decodeDue(due: readonly DueRecord[], context: DecodeContext, { rollouts }: Catalogue): DecodedDue {
  const changes = new Map<Change, DueRecord>();
  const refused: Kept[] = [];
  const postponed: DueRecord[] = [];
  for (const record of due) {
    const decoded = decodeChange(kafkaRecordOf(record), context);
    if (!decoded.ok) refused.push({ due: record, refusal: decoded.refusal });
    else if (rollouts.has(decoded.change.table)) postponed.push(record);
    else changes.set(decoded.change, record);
  }
  return { changes, refused, postponed };
}

/** By the record, because a change may have been joined with others since. A refusal of nobody's must not close a record. */
function dueOf(refusal: Refusal, changes: ReadonlyMap<Change, DueRecord>): DueRecord {
  for (const [{ record }, due] of changes) if (record === refusal.record) return due;
  throw new Error(`refused was a record that was not tried: ${refusal.error}`);
}

const base64 = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('base64');

const kafkaRecordOf = ({ topic, partition, offset, key, value }: DueRecord): KafkaRecord => ({
  topic,
  partition,
  offset: Number(offset),
  timestamp: 0,
  timestampType: 'CREATE_TIME',
  key: base64(key),
  value: base64(value),
});
