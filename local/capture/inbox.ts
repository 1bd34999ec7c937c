const COMPACT_AT = 1024;

/** A queue of messages with one reader that knows how many bytes wait in it. */
export type Inbox = {
  readonly push: (message: Buffer) => void;
  /** The oldest message; undefined once the inbox is closed, whatever still waits in it. */
  readonly take: () => Promise<Buffer | undefined>;
  readonly close: () => void;
  readonly bytes: () => number;
};

export function createInbox(): Inbox {
  let waiting: Buffer[] = [];
  let head = 0;
  let bytes = 0;
  let closed = false;
  let wake: (() => void) | undefined;
  const arrival = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  const next = (): Buffer | undefined => {
    const message = waiting[head++];
    if (head === waiting.length || head === COMPACT_AT) [waiting, head] = [waiting.slice(head), 0];
    bytes -= message?.length ?? 0;
    return message;
  };
  return {
    push: (message) => {
      waiting.push(message);
      bytes += message.length;
      wake?.();
    },
    take: async () => {
      while (!closed && head === waiting.length) await arrival();
      return closed ? undefined : next();
    },
    close: () => {
      closed = true;
      wake?.();
    },
    bytes: () => bytes,
  };
}
