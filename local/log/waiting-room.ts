/** The next offset to be read, by partition; partitions that are left out are not of interest. */
export type Positions = ReadonlyMap<number, number>;

type Waiter = { readonly positions: Positions; readonly leave: () => void };

/** Who waits for records of one topic. `end` tells where a partition ends now. */
export function waitingRoom(end: (partition: number) => number) {
  const waiters = new Set<Waiter>();
  const hasData = (positions: Positions): boolean =>
    positions.entries().some(([partition, offset]) => end(partition) > offset);

  return {
    /** Resolves when one of the partitions holds its position or more, or when the signal is aborted. */
    wait: (positions: Positions, signal?: AbortSignal): Promise<void> => {
      if (signal?.aborted || hasData(positions)) return Promise.resolve();
      return new Promise((resolve) => {
        const leave = (): void => {
          waiters.delete(waiter);
          signal?.removeEventListener('abort', leave);
          resolve();
        };
        const waiter = { positions, leave };
        waiters.add(waiter);
        signal?.addEventListener('abort', leave, { once: true });
      });
    },
    appended: (partition: number, offset: number): void => {
      for (const { positions, leave } of waiters) if ((positions.get(partition) ?? Infinity) <= offset) leave();
    },
  };
}
