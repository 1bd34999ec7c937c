import { startCluster } from '../../../local/postgres/cluster.ts';
import type { Part } from '../part.ts';
import { markdownTable, rounded } from '../spread.ts';
import { takeTurns } from '../turns.ts';
import { copyDatabase, createFilled, firstStamp as firstStampOf } from '../users-table.ts';
import { type Contestant, measure } from './contestant.ts';
import { createNative } from './native.ts';
import { createOurs } from './ours.ts';

const SETTINGS = { fsync: 'on', autovacuum: 'off', max_wal_size: '16GB', checkpoint_timeout: '30min' };
/** Changes of one run: ten invocations. */
const MAX_CHANGES = 100_000;
/** One-row transactions with a commit each are slow: fewer changes tell as much. */
const ONE_ROW_SHARE = 0.2;

/**
 * The apply function against PostgreSQL's logical replication into an identical table, each in a copy of one database, in
 * turns: A B C A B C. Both wait for each commit to reach the disk, but for the one variant that says otherwise.
 */
export async function benchApply({ rows, seconds, say }: Part): Promise<Record<string, number>> {
  const publisher = await startCluster({ name: 'publisher', settings: { ...SETTINGS, shared_buffers: '512MB' } });
  const target = await startCluster({ name: 'target', settings: { ...SETTINGS, shared_buffers: '2GB' } });
  const firstStamp = firstStampOf();
  const changes = Math.min(rows, MAX_CHANGES);
  say(`filling ${rows.toLocaleString('en-US')} rows`);
  await Promise.all([publisher, target].map((cluster) => createFilled(cluster, 'filled', rows, firstStamp)));
  const native = async (database: string, name: string, transactionRows: number, synchronousCommit: boolean) => {
    await Promise.all([publisher, target].map((cluster) => copyDatabase(cluster, 'filled', database)));
    const ofRun = transactionRows === 1 ? Math.ceil(changes * ONE_ROW_SHARE) : changes;
    return createNative(publisher, target, {
      name,
      database,
      rows,
      changes: ofRun,
      transactionRows,
      synchronousCommit,
    });
  };
  const ours = async (database: string, name: string, prepare: boolean, conflicts = false) => {
    await copyDatabase(target, 'filled', database);
    return createOurs(target, { name, database, prepare, events: { rows, firstStamp, changes, conflicts } });
  };
  const contestants = {
    native1000: await native('native1000', 'logical replication, 1000-row transactions', 1000, true),
    native1000Async: await native('native1000async', 'the same, commits not waited for', 1000, false),
    native1: await native('native1', 'logical replication, 1-row transactions', 1, true),
    ours: await ours('ours', 'apply, unnamed statements', false),
    oursPrepared: await ours('ours_prepared', 'apply, prepared statements', true),
    conflicts5: await ours('conflicts5', 'apply, unnamed statements, 5 % conflicts', false, true),
  };
  const spread = await takeTurns(Object.values(contestants), seconds, async (contestant, round) => {
    const figure = await measure(contestant, target);
    say(`${round}: ${contestant.name}: ${Math.round(figure).toLocaleString('en-US')}`);
    return figure;
  });
  for (const contestant of Object.values(contestants)) await contestant.close();
  const ratio = (a: Contestant, b: Contestant): number => rounded(spread(a).median / spread(b).median);
  const { native1000, native1, ours: unnamed, oursPrepared } = contestants;
  const lines = Object.values(contestants).map((contestant) => {
    const { min, median, max } = spread(contestant);
    return [contestant.name, ...[min, median, max].map(Math.round), ratio(contestant, native1000)];
  });
  say(markdownTable(['rows per second', 'min', 'median', 'max', 'of the first'], lines));
  const medians = Object.entries(contestants).map(([key, contestant]) => [key, Math.round(spread(contestant).median)]);
  return {
    ...Object.fromEntries(medians),
    ratio1000: ratio(unnamed, native1000),
    ratioPrepared1000: ratio(oursPrepared, native1000),
    ratio1: ratio(unnamed, native1),
  };
}
