import { isHeartbeat, type KafkaEvent } from '@concord/events';
import { recordsOf } from '@concord/runtime';
import type { Carrier } from '../carrier/carrier.ts';
import type { Environment } from '../mapping/environment.ts';
import { type Mapping, startMapping } from '../mapping/event-source-mapping.ts';
import { type ApplyEnvironmentOptions, applyEnvironment } from './apply-environment.ts';
import { committedUsOf } from './lag.ts';

/** The way of one region's changes into another: an event source mapping and the function it invokes. */
export type Link = {
  readonly into: string;
  readonly from: string;
  /** Of the latest start. */
  readonly mapping: Mapping;
  readonly environment: Environment;
  readonly isPaused: () => boolean;
  readonly pause: () => void;
  readonly resume: () => void;
  /** Deletes the mapping and makes it anew: it goes on where its consumer group stands after `between`. */
  readonly restart: (between: () => Promise<void>) => Promise<void>;
  readonly stop: () => Promise<void>;
};

export type LinkOptions = Omit<ApplyEnvironmentOptions, 'onCommit'> & {
  readonly from: string;
  readonly carrier: Carrier;
  /** Told of every record how long it took, ms. */
  readonly addLag: (lagMs: number) => void;
  /** Records per batch, at most. */
  readonly batchSize: number;
  /** How long a batch may gather, ms. */
  readonly batchWindowMs: number;
};

/** Lambda waits longer before a retry; here somebody is watching. */
const RETRY_DELAY = { minMs: 50, maxMs: 2000 };

export async function startLink(options: LinkOptions): Promise<Link> {
  const { region, from, carrier, addLag, batchSize, batchWindowMs } = options;
  let [isPaused, countFromUs, committedAtMs] = [false, 0, 0];
  const environment = applyEnvironment({
    ...options,
    onCommit: () => {
      committedAtMs = Date.now();
    },
  });
  const invoke = async (event: KafkaEvent): Promise<unknown> => {
    committedAtMs = 0;
    const response = await environment.invoke(event);
    countLags(event, committedAtMs || Date.now(), countFromUs, addLag);
    return response;
  };
  const limits = { batchSize, batchWindowMs, concurrency: 1, retryDelay: RETRY_DELAY };
  const start = async (): Promise<Mapping> => {
    const source = await carrier.source(from, region.name);
    return startMapping({ source, invoke, ...limits, reportBatchItemFailures: true });
  };
  let mapping = await start();
  return {
    into: region.name,
    from,
    get mapping() {
      return mapping;
    },
    environment,
    isPaused: () => isPaused,
    pause: () => {
      isPaused = true;
      mapping.pause();
    },
    resume: () => {
      if (isPaused) countFromUs = Date.now() * 1000;
      isPaused = false;
      mapping.resume();
    },
    restart: async (between) => {
      await mapping.stop();
      await between();
      mapping = await start();
      if (isPaused) mapping.pause();
    },
    stop: async () => {
      await mapping.stop();
      await environment.stop();
    },
  };
}

/** What was written while the link was cut says how long the cut was, not how quick replication is: it is left out. */
function countLags(event: KafkaEvent, appliedAtMs: number, countFromUs: number, addLag: LinkOptions['addLag']): void {
  for (const record of recordsOf(event)) {
    const us = isHeartbeat(record) ? undefined : committedUsOf(record.value);
    if (us !== undefined && us >= countFromUs) addLag(appliedAtMs - us / 1000);
  }
}
