import type { DigestAnswers, DigestRequest, RepairAnswer, RepairRequest, Topology } from '@concord/events';

/** The way to the regions: Lambda functions in other AWS regions, or connections on one's own machine. */
export type Regions = {
  /** Rejects when the region cannot be reached or its function fails. */
  readonly digest: <Do extends DigestRequest['do']>(
    region: string,
    request: Extract<DigestRequest, { do: Do }>,
  ) => Promise<DigestAnswers[Do]>;
  readonly repair: (region: string, request: RepairRequest) => Promise<RepairAnswer>;
};

/** What a run remembers between its stages, by name: an S3 prefix, or a folder. Writing the same name again replaces it. */
export type RunStore = {
  readonly read: (name: string) => Promise<unknown>;
  readonly write: (name: string, value: unknown) => Promise<void>;
};

export type Context = {
  readonly topology: Topology;
  readonly regions: Regions;
  readonly store: RunStore;
  /** µs since 1970. */
  readonly now: () => number;
  /** When an invocation has to come to its end, ms since 1970; undefined where nobody waits. */
  readonly deadlineMs?: number;
};
