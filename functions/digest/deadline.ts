/** The answer has to be on its way by then. */
const MARGIN_MS = 10_000;

/** `deadlineMs`: when the invocation ends, ms since 1970; undefined where nobody waits. */
export const leftMs = (deadlineMs: number | undefined): number =>
  deadlineMs === undefined ? Number.POSITIVE_INFINITY : deadlineMs - MARGIN_MS - Date.now();

export const hasTime = (deadlineMs: number | undefined): boolean => leftMs(deadlineMs) > 0;
