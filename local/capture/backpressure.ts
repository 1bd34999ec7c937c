import type { Duplex } from 'node:stream';
import { createInbox } from './inbox.ts';

/** While more bytes than this wait for the log, nothing is read from the connection. */
const FULL_BYTES = 4 << 20;

/** Queues what a stream delivers for one reader and pauses the stream while too much waits. */
export function backpressure(stream: Duplex) {
  const inbox = createInbox();
  let lastArrivalMs = performance.now();
  const relieve = (): void => {
    if (!stream.isPaused() || inbox.bytes() > FULL_BYTES / 2) return;
    lastArrivalMs = performance.now();
    stream.resume();
  };
  return {
    arrived: (message: Buffer): void => {
      lastArrivalMs = performance.now();
      inbox.push(message);
      if (inbox.bytes() > FULL_BYTES) stream.pause();
    },
    /** The next message, undefined once closed. */
    take: async (): Promise<Buffer | undefined> => {
      const message = await inbox.take();
      relieve();
      return message;
    },
    isEmpty: (): boolean => inbox.bytes() === 0,
    close: inbox.close,
    /** How long nothing has arrived although something could. */
    silenceMs: (): number => (stream.isPaused() ? 0 : performance.now() - lastArrivalMs),
  };
}
