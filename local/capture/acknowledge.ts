import type { Duplex } from 'node:stream';
import { statusUpdate } from './replication-stream.ts';

export type Acknowledger = {
  /** Tells the server how far the log is; `replyRequested` makes it tell in turn how far it has decoded. */
  readonly send: (replyRequested?: boolean) => void;
  /** Everything that committed up to `lsn` is in the log; true if that is news. */
  readonly advance: (lsn: bigint) => boolean;
  readonly isBehind: () => boolean;
};

/**
 * Acknowledges on one connection what was appended on this very connection. A position kept from an earlier one must
 * never be sent: after a restore LSNs start lower, and it would jump over what has not been read.
 */
export function acknowledger(stream: Duplex, onAcknowledged: (lsn: bigint) => void): Acknowledger {
  let appended = 0n;
  let acknowledged = 0n;
  return {
    send: (replyRequested = false) => {
      if (!stream.writable) return;
      stream.write(statusUpdate(appended, Date.now(), replyRequested));
      if (appended === acknowledged) return;
      acknowledged = appended;
      onAcknowledged(acknowledged);
    },
    advance: (lsn) => {
      if (lsn <= appended) return false;
      appended = lsn;
      return true;
    },
    isBehind: () => appended > acknowledged,
  };
}
