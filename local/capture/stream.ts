import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { acknowledger } from './acknowledge.ts';
import { backpressure } from './backpressure.ts';
import { asksForReply, readStreamMessage } from './replication-stream.ts';
import { type Commit, type TransactionSource, transactions } from './transactions.ts';

/** What a session tells while it runs. LSNs grow within a session; after a restore the next one may start lower. */
export type SessionObserver = {
  readonly onReceived: (lsn: bigint) => void;
  readonly onCommit: (commit: Commit) => void;
  /** Everything that committed up to this LSN is in the log. */
  readonly onAppended: (lsn: bigint) => void;
  readonly onAcknowledged: (lsn: bigint) => void;
};

/** One replication connection. `ended` settles when nothing of it is left: it rejects if anything but `close` ended it. */
export type Session = {
  readonly ended: Promise<void>;
  /** Asks the server how far it has decoded; the answer reaches the observer. */
  readonly askProgress: () => void;
  /** Ends after the append in flight, if any; what waits behind it stays unacknowledged. */
  readonly close: () => void;
};

/** A busy stream is acknowledged this often, a quiet one after every transaction. */
const STATUS_INTERVAL_MS = 1000;
const ASK_AFTER_MS = 10_000;
/** PostgreSQL's own `wal_receiver_timeout`. */
const SILENCE_LIMIT_MS = 60_000;
const GOODBYE_LIMIT_MS = 2000;

/** Lets the server finish the copy, which releases the slot; what still arrives is dropped. False if it does not. */
function sayGoodbye(stream: Duplex): Promise<boolean> {
  if (!stream.writable) return Promise.resolve(false);
  const copyDone = finished(stream, { readable: false, signal: AbortSignal.timeout(GOODBYE_LIMIT_MS) });
  stream.resume();
  stream.end();
  return copyDone.then(
    () => true,
    () => false,
  );
}

/** Carries a replication stream into the log, one message after the other. `disconnect` runs last, told if all is well. */
export function streamInto(
  stream: Duplex,
  source: TransactionSource,
  observer: SessionObserver,
  disconnect: (isClean: boolean) => Promise<void>,
): Session {
  const inbox = backpressure(stream);
  const status = acknowledger(stream, observer.onAcknowledged);
  const { handle, isOpen } = transactions(source);
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
    inbox.close();
  };
  const appended = (lsn: bigint): void => {
    if (status.advance(lsn)) observer.onAppended(lsn);
    if (inbox.isEmpty() && status.isBehind()) status.send();
  };
  const onMessage = async (bytes: Buffer): Promise<void> => {
    const message = readStreamMessage(bytes);
    observer.onReceived(message.lsn);
    if (message.kind === 'keepalive') return isOpen() ? undefined : appended(message.lsn);
    const commit = await handle(message.payload, message.lsn);
    if (!commit) return;
    observer.onCommit(commit);
    appended(commit.endLsn);
  };
  const watch = (): void => {
    const silenceMs = inbox.silenceMs();
    if (silenceMs > SILENCE_LIMIT_MS) fail(new Error(`replication stream: nothing arrived for ${silenceMs} ms`));
    else status.send(silenceMs > ASK_AFTER_MS);
  };
  const run = async (): Promise<void> => {
    const timer = setInterval(watch, STATUS_INTERVAL_MS);
    try {
      for (let bytes = await inbox.take(); bytes; bytes = await inbox.take()) await onMessage(bytes);
    } catch (error) {
      fail(error);
    }
    const broken = failure;
    clearInterval(timer);
    status.send();
    await disconnect(await sayGoodbye(stream));
    if (broken) throw broken.error;
  };

  stream.on('error', fail);
  stream.on('end', () => fail(new Error('replication stream: the server ended it')));
  stream.on('close', () => fail(new Error('replication stream: the connection closed')));
  stream.on('data', (bytes: Buffer) => {
    inbox.arrived(bytes);
    if (asksForReply(bytes)) status.send();
  });
  status.send(true);
  return { ended: run(), askProgress: () => status.send(true), close: inbox.close };
}
