/** A slot for capture, and some for upgrades and migrations beside it. Static: changing it later takes a restart. */
const SLOTS = '20';

/**
 * What Concord asks of a server, see `functions/enroll/preflight-server.ts`. `max_logical_replication_workers` is no part of it: those
 * are subscribers, and nothing subscribes here.
 */
export const serverParameters = (slotKeepMb: number): Record<string, string> => ({
  'rds.logical_replication': '1',
  'rds.force_ssl': '1',
  max_replication_slots: SLOTS,
  max_wal_senders: SLOTS,
  // PostgreSQL's own default; RDS halves it, and the connector may well be busy for that long after a large transaction.
  wal_sender_timeout: '60000',
  log_min_duration_statement: '1000',
  // The parameters of apply's statements are rows, thousands at a time: none of that belongs into a log.
  log_parameter_max_length: '0',
  log_lock_waits: '1',
  max_slot_wal_keep_size: String(slotKeepMb),
});
