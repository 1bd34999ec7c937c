import { createRequire } from 'node:module';

type Queue = { readonly pending: readonly unknown[]; readonly throttledUntil: number };
type QueueClass = { prototype: Queue & { scheduleCheckPendingRequests: (this: Queue) => void } };

const { prototype }: QueueClass = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js');
const schedule = prototype.scheduleCheckPendingRequests;

/**
 * kafkajs 2.2.4 sets a timer for a negative time on every connection that is not throttled: it fires each millisecond for as
 * long as the connection lives, and Node prints a TimeoutNegativeWarning. Nothing waits for it while the queue is empty.
 */
prototype.scheduleCheckPendingRequests = function () {
  if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
};
