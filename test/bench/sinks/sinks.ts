import { startCluster } from '../../../local/postgres/cluster.ts';
import { measure } from '../apply/contestant.ts';
import { DURABLE } from '../durable.ts';
import type { Part } from '../part.ts';
import { markdownTable, rounded } from '../spread.ts';
import { takeTurns } from '../turns.ts';
import { createFilled, firstStamp as firstStampOf } from '../users-table.ts';
import { bucardo, type Contestants, jdbcSinks, ours, pglogical, type Servers } from './contestants.ts';
import { type Debian, findDebian } from './debian.ts';
import { startJdbcPlace } from './jdbc-sink.ts';
import { jdbcSoftware } from './jdbc-software.ts';
import { PGLOGICAL_SETTINGS } from './pglogical.ts';

/** For which Debian has the extensions. */
export const SINKS_POSTGRES = '15';

const SETTINGS = { ...DURABLE, autovacuum: 'off' };
/** Changes of one run: a share of the rows, so that few rows are changed twice. */
const CHANGED_SHARE = 0.4;
const MAX_CHANGES = 50_000;
const TRANSACTION_ROWS = 1000;

/** Which contestants a ratio compares ours with: the fastest of each. */
const RIVALS = {
  ratioPglogical: ['pglogical', 'pglogicalBatch'],
  ratioBucardo: ['bucardo'],
  ratioJdbcSink: ['jdbcUnnest', 'jdbcBatch'],
} as const;

/**
 * The apply function against other software that writes changes into PostgreSQL 15, in turns: Concord into an enrolled table, each of
 * the others into a plain one with the same columns and rows. All wait for each commit to reach the disk.
 */
export async function benchSinks({ rows, seconds, say }: Part): Promise<Record<string, number>> {
  const debian = findDebian(say);
  const software = await jdbcSoftware(say);
  const servers = await startServers(debian);
  const firstStamp = firstStampOf();
  const count = Math.min(Math.ceil(rows * CHANGED_SHARE), MAX_CHANGES);
  const changes = { rows, changes: count, transactionRows: TRANSACTION_ROWS };
  say(`filling ${rows.toLocaleString('en-US')} rows`);
  await Promise.all(Object.values(servers).map((cluster) => createFilled(cluster, 'filled', rows, firstStamp)));
  const place = software && (await startJdbcPlace(software));
  const contestants: Contestants = {
    ...(await ours(servers, changes, firstStamp)),
    ...(await pglogical(servers, debian, changes)),
    ...(await bucardo(servers, debian, changes)),
    ...(await jdbcSinks(servers, place, changes)),
  };
  const spread = await takeTurns(Object.values(contestants), seconds, async (contestant, round) => {
    const figure = await measure(contestant, servers.target);
    say(`${round}: ${contestant.name}: ${Math.round(figure).toLocaleString('en-US')}`);
    return figure;
  });
  for (const contestant of Object.values(contestants)) await contestant.close();
  await place?.stop();
  await Promise.all(Object.values(servers).map((cluster) => cluster.remove()));
  const spreads = Object.entries(contestants).map(([key, contestant]) => ({ key, contestant, of: spread(contestant) }));
  const best = (keys: readonly string[]): number =>
    Math.max(...spreads.filter(({ key }) => keys.includes(key)).map(({ of }) => of.median));
  const own = best(['ours', 'oursPrepared']);
  const lines = spreads.map(({ contestant, of: { min, median, max } }) => [
    contestant.name,
    ...[min, median, max].map(Math.round),
    rounded(own / median),
  ]);
  say(markdownTable(['rows per second', 'min', 'median', 'max', "Concord's best over it"], lines));
  const ratios = Object.entries(RIVALS)
    .filter(([, keys]) => keys.some((key) => key in contestants))
    .map(([name, keys]) => [name, rounded(own / best(keys))] as const);
  return Object.fromEntries([...spreads.map(({ key, of }) => [key, Math.round(of.median)] as const), ...ratios]);
}

/** Debian's programs where they are installed, for their extensions; else those of npm. */
async function startServers({ binDirectory, hasPglogical }: Debian): Promise<Servers> {
  const settings = { ...SETTINGS, ...(hasPglogical && PGLOGICAL_SETTINGS) };
  const start = (name: string, buffers: string) =>
    startCluster({ version: SINKS_POSTGRES, name, binDirectory, settings: { ...settings, shared_buffers: buffers } });
  return { publisher: await start('publisher', '512MB'), target: await start('target', '2GB') };
}
