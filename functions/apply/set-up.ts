import { send, type TransactionSql } from '@concord/runtime';

/**
 * What a transaction that writes rows begins with. Thousands of keys are each looked up by index: a hash or merge join would
 * read the whole table for them (measured: five times as long), and lock its rows in no order.
 */
export async function setUp(tx: TransactionSql, lockTimeoutMs: number): Promise<void> {
  const settings = { lock_timeout: lockTimeoutMs, enable_hashjoin: 'off', enable_mergejoin: 'off' };
  await Promise.all(Object.entries(settings).map(([name, value]) => send(tx, `set local ${name} = ${value}`, [])));
}
