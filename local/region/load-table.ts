import type { Reading, RegionState, RepairVersion, Topology } from '@concord/events';
import { connect, type Sql } from '@concord/runtime';
import { createApply } from '../../functions/apply/apply.ts';
import { answer, type DigestContext } from '../../functions/digest/digest.ts';
import { type Loaded, load } from '../../functions/lifecycle/load.ts';
import {
  countParked,
  forgetPosition,
  keepPosition,
  readPosition,
  takeHorizon,
  whyNotLoadable,
} from '../../functions/lifecycle/target.ts';
import { repair } from '../../functions/repair/repair.ts';
import { openConnection } from './connection.ts';

export type LoadTableOptions = {
  readonly table: string;
  readonly topology: Topology;
  /** Of a role that may read all; `apply`: of `concord_apply`. */
  readonly source: { readonly url: string };
  readonly target: { readonly url: string; readonly applyUrl: string };
  /** Begins anew where a former load was stopped. */
  readonly restart?: boolean;
  /** Told once, before the first page: where it begins, and about how many rows the source has. */
  readonly onBegin?: (begin: { readonly versions: number; readonly rows: number }) => void;
  readonly onProgress?: (versions: number) => void;
  readonly onWarning: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Of a page; default 5000 versions and 8 MB. */
  readonly limit?: number;
  readonly maxBytes?: number;
};

/** `parked`: versions that the target could not write; they wait in `concord parked`. */
export type LoadedTable = Loaded & { readonly from: string; readonly into: string; readonly parked: number };

/** A load that cannot begin as things stand: what is in the way. Nothing was changed. */
export class NotLoadable extends Error {
  readonly problems: readonly string[];

  constructor(table: string, problems: readonly string[]) {
    super(`${table} cannot be loaded: ${problems.join('; ')}`);
    this.name = 'NotLoadable';
    this.problems = problems;
  }
}

const LIMIT = 5000;
const MAX_BYTES = 8_000_000;
const UNLIMITED = 1_000_000_000;

/** First load or re-sync of one table from one region into another, through connections of this process. */
export async function loadTable(options: LoadTableOptions): Promise<LoadedTable> {
  const [source, target, applySql] = [
    openConnection(options.source.url, 'concord load'),
    openConnection(options.target.url, 'concord load'),
    connect({ url: options.target.applyUrl, prepare: true, applicationName: 'concord load' }),
  ];
  try {
    return await loadThrough(options, source, target, applySql);
  } finally {
    await Promise.all([source, target, applySql].map((sql) => sql.end({ timeout: 2 })));
  }
}

async function loadThrough(options: LoadTableOptions, source: Sql, target: Sql, applySql: Sql): Promise<LoadedTable> {
  const { table, onBegin, onProgress, signal, limit = LIMIT, maxBytes = MAX_BYTES } = options;
  const [there, here] = await Promise.all([source, target].map((sql) => readState(sql, options)));
  const [from, into] = [there?.region ?? '', here?.region ?? ''];
  const of = there?.tables[table];
  const problems = whyNotLoadable(of, here?.tables[table]);
  if (from === into) problems.push(`both databases are region ${from}`);
  if (of === undefined || problems.length > 0) throw new NotLoadable(table, problems);
  if (options.restart === true) await forgetPosition(target, table);
  await takeHorizon(target, table, of.horizonUs);
  const [begun, parkedBefore] = [await readPosition(target, table, from), await countParked(target, table)];
  onBegin?.({ versions: begun?.versions ?? 0, rows: of.rows });
  const reading: Reading = {
    ...{ table, mode: 'stamps', hashing: 'record', columns: [], horizonUs: of.horizonUs, sinceUs: 0 },
  };
  const context: DigestContext = { region: from, topology: options.topology };
  const loaded = await load({
    read: (range) => answer(source, { do: 'page', reading, range, limit, maxBytes }, context),
    write: writer(options, of.key, applySql),
    from: begun,
    keep: (position) => keepPosition(target, table, from, position),
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
  if (loaded.end === 'done') await forgetPosition(target, table);
  return { ...loaded, from, into, parked: (await countParked(target, table)) - parkedBefore };
}

const readState = (sql: Sql, { table, topology }: LoadTableOptions): Promise<RegionState> =>
  answer(sql, { do: 'state', tables: [table] }, { region: '', topology });

/** As the target's repair function does it. */
function writer(
  { table, topology, onWarning }: LoadTableOptions,
  key: readonly string[],
  sql: Sql,
): (versions: readonly RepairVersion[]) => Promise<void> {
  const apply = createApply({
    ...{ sql, topology, now: () => Date.now() * 1000 },
    onWarning: (message, error) => onWarning(`${message}: ${(error as Error).message}`),
  });
  return async (versions) => {
    const sent = versions.map(({ place, event }) => ({ place, event }));
    const request = { run: 'load', table, key: [...key], versions: sent, versionsPerSecond: UNLIMITED };
    await repair(request, { apply });
  };
}
