/** Who may invoke now: nobody while paused, nobody ever after `stop`, and at most `concurrency` at a time. */
export type Gate = {
  /** Waits for a turn and takes it; false when stopped. */
  readonly enter: () => Promise<boolean>;
  readonly leave: () => void;
  /** Takes a turn if there is one now. */
  readonly tryEnter: () => boolean;
  readonly inside: () => number;
  readonly pause: () => void;
  readonly resume: () => void;
  readonly stop: () => void;
  readonly isStopped: () => boolean;
  /** Waits; false when stopped before the end. */
  readonly sleep: (delayMs: number) => Promise<boolean>;
  /** Resolves at the next `announce`, or at any of the changes above. */
  readonly change: () => Promise<void>;
  readonly announce: () => void;
};

export function createGate(concurrency: number): Gate {
  let next = Promise.withResolvers<void>();
  const stopping = Promise.withResolvers<boolean>();
  let [inside, isPaused, isStopped] = [0, false, false];
  const announce = (): void => {
    next.resolve();
    next = Promise.withResolvers();
  };
  const tryEnter = (): boolean => {
    const isOpen = !isStopped && !isPaused && inside < concurrency;
    if (isOpen) inside++;
    return isOpen;
  };
  return {
    tryEnter,
    enter: async () => {
      while (!tryEnter()) {
        if (isStopped) return false;
        await next.promise;
      }
      return true;
    },
    leave: () => {
      inside--;
      announce();
    },
    inside: () => inside,
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
      announce();
    },
    stop: () => {
      isStopped = true;
      stopping.resolve(false);
      announce();
    },
    isStopped: () => isStopped,
    sleep: async (delayMs) => {
      const slept = Promise.withResolvers<boolean>();
      const timer = setTimeout(slept.resolve, delayMs, true);
      const isOver = await Promise.race([slept.promise, stopping.promise]);
      clearTimeout(timer);
      return isOver;
    },
    change: () => next.promise,
    announce,
  };
}
