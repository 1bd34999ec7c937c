import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

export type ClientOptions = {
  /** Connection URLs of the region that is written and of the one that is watched. */
  readonly source: string;
  readonly target: string;
  /** Connections to the source; single-row transactions take turns on them. */
  readonly connections: number;
  /** `schema.table` with a key `id`. */
  readonly table: string;
  /** Inserts the row with id `$1`. */
  readonly insert: string;
  /** Of the first row; the next has the next one. */
  readonly firstId: number;
};

export type WriteTask = {
  readonly perSecond: number;
  /** Absent: until `finish`. */
  readonly durationMs?: number;
};

/** p50, p99 and the greatest, ms. */
export type Latency = { readonly p50: number; readonly p99: number; readonly max: number };

/** One row as the client saw it, ms since 1970: sent, commit acknowledged, found at the target by polling. */
export type Sighting = { readonly sentMs: number; readonly ackedMs: number; readonly seenMs: number };

export type WriteReport = {
  readonly written: number;
  /** From the first row sent to the last commit acknowledged. */
  readonly reachedPerSecond: number;
  /** How much later than planned a row was sent. */
  readonly late: Latency;
  /** From sent to acknowledged. */
  readonly commit: Latency;
  /** Of some 50 rows a second. */
  readonly sightings: readonly Sighting[];
};

/** What a client's thread is given and told. */
export type ThreadData = ClientOptions & { readonly written: Int32Array };
export type ThreadMessage = { readonly write: WriteTask } | 'finish' | 'close';

/** An application in a thread of its own, so that neither it nor replication, which runs in this one, holds up the other. */
export type Client = {
  /** Resolves when all rows are committed and the watched ones were seen at the target. One at a time. */
  readonly write: (task: WriteTask) => Promise<WriteReport>;
  /** Ends a task that has no end. */
  readonly finish: () => void;
  /** Rows whose commit was acknowledged, since the start. */
  readonly written: () => number;
  readonly close: () => Promise<void>;
};

export function startClient(options: ClientOptions): Client {
  const written = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const workerData: ThreadData = { ...options, written };
  const worker = new Worker(new URL('./client-thread.ts', import.meta.url), { workerData });
  const tell = (message: ThreadMessage): void => worker.postMessage(message);
  return {
    write: async (task) => {
      tell({ write: task });
      const [report] = await once(worker, 'message');
      return report as WriteReport;
    },
    finish: () => tell('finish'),
    written: () => Atomics.load(written, 0),
    close: async () => {
      tell('close');
      await once(worker, 'exit');
    },
  };
}
