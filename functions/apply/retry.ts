import type { Sql, TransactionSql } from '@concord/runtime';
import type { Catalogue } from './catalogue-cache.ts';
import { type DecodeContext, decodeChange } from './decode.ts';
import { claimDue, closeParked, type DueRecord, keepParked } from './parked.ts';
import { setUp } from './set-up.ts';
import { writeIsolated } from './write-changes.ts';

const LIMIT = 100;
/** What is tried again comes again, so it hardly waits: a hundred rows that one session holds must not stop a partition. */
const LOCK_TIMEOUT_MS = 10;

export type Retried = { readonly closed: number; readonly kept: number };

/**
 * Tries parked records again whose time has come, through the same path. One that goes in, or that a newer version has
 * overtaken, closes; the others wait longer. They were accounted for when they were parked, so no tally changes.
 */
export async function retryParked(sql: Sql, context: DecodeContext, catalogue: Catalogue): Promise<Retried> {
  return sql.begin(async (tx) => {
    await setUp(tx, LOCK_TIMEOUT_MS);
    const due = await claimDue(tx, LIMIT);
    const closed: string[] = [];
    for (const record of due) {
      const refusal = await tryAgain(tx, record, context, catalogue);
      if (refusal === undefined) closed.push(record.id);
      else await keepParked(tx, record.id, record.attempts + 1, refusal.reason, refusal.error);
    }
    await closeParked(tx, closed);
    return { closed: closed.length, kept: due.length - closed.length };
  }) as Promise<Retried>;
}

async function tryAgain(
  tx: TransactionSql,
  due: DueRecord,
  context: DecodeContext,
  catalogue: Catalogue,
): Promise<{ reason: string; error: string } | undefined> {
  const base64 = (bytes: Uint8Array | null): string | null =>
    bytes === null ? null : Buffer.from(bytes).toString('base64');
  const decoded = decodeChange(
    {
      topic: due.topic,
      partition: due.partition,
      offset: Number(due.offset),
      timestamp: 0,
      timestampType: 'CREATE_TIME',
      key: base64(due.key),
      value: base64(due.value),
    },
    context,
  );
  if (!decoded.ok) return decoded.refusal;
  const { refused } = await writeIsolated(tx, [decoded.change], catalogue);
  return refused[0];
}
