import { setTimeout } from 'node:timers/promises';
import { slotName } from '../../connector/names.ts';
import { prepareSlot } from '../../functions/enroll/slot.ts';
import { connect, type DatabaseAddress } from './database.ts';
import { parseLsn } from './lsn.ts';
import { captureProgress } from './progress.ts';
import { openSession } from './session.ts';
import type { Session, SessionObserver } from './stream.ts';
import type { CapturedRecord } from './transactions.ts';

export type { CapturedRecord } from './transactions.ts';

export type CaptureOptions = {
  readonly address: DatabaseAddress;
  /** The region's name, not its key: its topic is `cdc.<region>`. */
  readonly region: string;
  readonly publication: string;
  /** Default `slotName(region)`. */
  readonly slot?: string;
  /** Default true. A slot that is created starts now: what was committed before is not captured. */
  readonly createSlot?: boolean;
  /** Takes the events of one transaction, a very large one in several calls. The slot moves only past what it took. */
  readonly append: (records: readonly CapturedRecord[]) => void | Promise<void>;
  /** Told of every connection that broke; the capture goes on by itself. */
  readonly onError: (error: unknown) => void;
  readonly retryDelay?: { readonly minMs: number; readonly maxMs: number };
};

export type CaptureStatus = {
  readonly connected: boolean;
  readonly receivedLsn: bigint;
  readonly acknowledgedLsn: bigint;
  readonly lastCommitAt: Date | undefined;
  readonly eventsEmitted: number;
};

export type Capture = {
  readonly status: () => CaptureStatus;
  /**
   * Resolves when everything that committed up to `lsn` (`pg_current_wal_lsn()`, say) has been appended. Rejects when the
   * capture is stopped before.
   */
  readonly caughtUpTo: (lsn: string | bigint) => Promise<void>;
  /** Acknowledges what was appended and disconnects; waits for an append in flight. */
  readonly stop: () => Promise<void>;
};

const STOPPED = 'the capture was stopped';
const RETRY_DELAY = { minMs: 100, maxMs: 5000 };

/** Waits that long unless the signal comes first. */
const pause = (delayMs: number, signal: AbortSignal): Promise<void> =>
  setTimeout(delayMs, undefined, { signal }).catch(() => undefined);

async function prepare(options: CaptureOptions, slot: string): Promise<void> {
  const sql = connect(options.address, { application_name: `concord capture ${options.region}, slot` });
  try {
    await prepareSlot(sql, slot, options.publication, options.createSlot ?? true);
  } finally {
    await sql.end();
  }
}

/**
 * Streams what a publication holds out of a logical replication slot into `append`, as the events that Debezium would
 * make. Resolves once the slot exists, so that nothing written from then on is missed; rejects when the database, the
 * publication or the slot cannot be had. Afterwards every broken connection is reported and opened again from the slot:
 * events may be appended twice, never skipped. A slot that is dropped meanwhile is reported for ever, not created again.
 */
export async function startCapture(options: CaptureOptions): Promise<Capture> {
  const slot = options.slot ?? slotName(options.region);
  const { minMs, maxMs } = options.retryDelay ?? RETRY_DELAY;
  const stopping = new AbortController();
  const progress = captureProgress();
  let session: Session | undefined;
  let failures = 0;
  await prepare(options, slot);

  const observer: SessionObserver = {
    ...progress.observer,
    onCommit: (commit) => {
      failures = 0;
      progress.observer.onCommit(commit);
    },
  };
  const runSession = async (): Promise<void> => {
    progress.forget();
    session = await openSession({ ...options, slot }, observer);
    if (stopping.signal.aborted) session.close();
    await session.ended;
  };
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await runSession().catch(options.onError);
      session = undefined;
      if (!stopping.signal.aborted) await pause(Math.min(maxMs, minMs * 2 ** failures++), stopping.signal);
    }
  };
  const running = run();

  return {
    status: () => ({ connected: session !== undefined, ...progress.status() }),
    caughtUpTo: (lsn) => {
      const target = typeof lsn === 'string' ? parseLsn(lsn) : lsn;
      session?.askProgress();
      return stopping.signal.aborted ? Promise.reject(new Error(STOPPED)) : progress.reaches(target);
    },
    stop: async () => {
      stopping.abort();
      session?.close();
      await running;
      progress.giveUp(new Error(STOPPED));
    },
  };
}
