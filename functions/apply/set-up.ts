import type { TransactionSql } from '@concord/runtime';

/**
 * What a transaction that writes rows begins with. Thousands of keys are each looked up by index: a hash or merge join would
 * read the whole table for them (measured: five times as long), and lock its rows in no order.
 */
export async function setUp(tx: TransactionSql, lockTimeoutMs: number): Promise<void> {
  await Promise.all([
    tx.unsafe(`set local lock_timeout = ${lockTimeoutMs}`),
    tx.unsafe('set local enable_hashjoin = off'),
    tx.unsafe('set local enable_mergejoin = off'),
  ]);
}
