import type { DigestAnswers, DigestRequest, RepairAnswer, RepairRequest, Topology } from '@concord/events';
import { connect, type Sql } from '@concord/runtime';
import { createApply } from '../../functions/apply/apply.ts';
import { answer } from '../../functions/digest/digest.ts';
import type { Regions } from '../../functions/reconcile/context.ts';
import { repair } from '../../functions/repair/repair.ts';

/** Where a region's database is. */
export type RegionAddress = {
  /** As a role that may read all. */
  readonly url: string;
  /** As role `concord_apply`; used by repair alone. */
  readonly applyUrl: string;
};

export type ConnectOptions = {
  readonly topology: Topology;
  readonly urls: ReadonlyMap<string, RegionAddress>;
  readonly onWarning: (message: string) => void;
};

/** What the hub reaches through functions on AWS, through connections of this process. */
export type ConnectedRegions = Regions & {
  /** Topics that a region has read. */
  readonly topics: (region: string) => Promise<string[]>;
  readonly close: () => Promise<void>;
};

/** Nothing is opened before the first request. */
export function connectRegions(options: ConnectOptions): ConnectedRegions {
  const regions = new Map([...options.urls].map(([name, address]) => [name, connectRegion(name, address, options)]));
  const named = (name: string): ConnectedRegion => {
    const region = regions.get(name);
    if (region === undefined) throw new Error(`no URL of region ${name}`);
    return region;
  };
  const digest = async (name: string, request: DigestRequest): Promise<unknown> => named(name).digest(request);
  return {
    digest: digest as Regions['digest'],
    repair: async (name, request) => named(name).repair(request),
    topics: async (name) => named(name).topics(),
    close: async () => void (await Promise.all([...regions.values()].map((region) => region.close()))),
  };
}

type ConnectedRegion = {
  readonly digest: (request: DigestRequest) => Promise<DigestAnswers[DigestRequest['do']]>;
  readonly repair: (request: RepairRequest) => Promise<RepairAnswer>;
  readonly topics: () => Promise<string[]>;
  readonly close: () => Promise<void>;
};

/** Requests that one region answers at once. */
const CONNECTIONS = 3;

function connectRegion(
  name: string,
  { url, applyUrl }: RegionAddress,
  { topology, onWarning }: ConnectOptions,
): ConnectedRegion {
  const readers = Array.from({ length: CONNECTIONS }, () => connect({ url, applicationName: 'concord reconcile' }));
  const read = sharing(readers);
  const writer = connect({ url: applyUrl, applicationName: 'concord repair' });
  const apply = createApply({
    ...{ sql: writer, topology, now: () => Date.now() * 1000 },
    onWarning: (message, error) => onWarning(`${name}: ${message}: ${(error as Error).message}`),
  });
  return {
    digest: (request) => read((sql) => answer(sql, request, { region: name, topology })),
    repair: (request) => repair(request, { apply }),
    topics: () =>
      read(async (sql) => {
        const rows = await sql<{ topic: string }[]>`select distinct topic from concord.watermark order by 1`;
        return rows.map(({ topic }) => topic);
      }),
    close: async () => void (await Promise.all([...readers, writer].map((sql) => sql.end({ timeout: 1 })))),
  };
}

/** Gives each piece of work the connection with the least to do: a statement on one waits for those before it. */
function sharing(connections: readonly Sql[]): <T>(work: (sql: Sql) => Promise<T>) => Promise<T> {
  const shares = connections.map((sql) => ({ sql, busy: 0 }));
  return async (work) => {
    const share = shares.reduce((one, other) => (other.busy < one.busy ? other : one));
    share.busy++;
    try {
      return await work(share.sql);
    } finally {
      share.busy--;
    }
  };
}
