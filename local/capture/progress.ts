import type { SessionObserver } from './stream.ts';

type Waiter = { readonly lsn: bigint; readonly resolve: () => void; readonly reject: (error: Error) => void };

/** Adds up what the sessions of one capture tell, and wakes who waits for an LSN. */
export function captureProgress() {
  let appendedLsn = 0n;
  let waiters: Waiter[] = [];
  const told = { receivedLsn: 0n, acknowledgedLsn: 0n, lastCommitAt: undefined as Date | undefined, eventsEmitted: 0 };

  const wake = (): void => {
    const reached = waiters.filter((waiter) => waiter.lsn <= appendedLsn);
    if (reached.length === 0) return;
    waiters = waiters.filter((waiter) => waiter.lsn > appendedLsn);
    for (const waiter of reached) waiter.resolve();
  };
  const observer: SessionObserver = {
    onReceived: (lsn) => {
      told.receivedLsn = lsn;
    },
    onCommit: (commit) => {
      told.lastCommitAt = new Date(commit.committedUs / 1000);
      told.eventsEmitted += commit.events;
    },
    onAppended: (lsn) => {
      appendedLsn = lsn;
      wake();
    },
    onAcknowledged: (lsn) => {
      told.acknowledgedLsn = lsn;
    },
  };
  return {
    observer,
    status: () => ({ ...told }),
    /** A new session vouches for nothing yet: the database may have been restored to an earlier LSN. */
    forget: (): void => {
      appendedLsn = 0n;
    },
    reaches: (lsn: bigint): Promise<void> =>
      lsn <= appendedLsn ? Promise.resolve() : new Promise((resolve, reject) => waiters.push({ lsn, resolve, reject })),
    giveUp: (error: Error): void => {
      for (const waiter of waiters.splice(0)) waiter.reject(error);
    },
  };
}
