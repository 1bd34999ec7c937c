import { startCluster } from '../../local/postgres/cluster.ts';
import { type Contestant, measure } from './contestant.ts';
import { createNative } from './native.ts';
import { createOurs } from './ours.ts';
import type { Part } from './part.ts';
import { markdownTable, rounded, spreadOf } from './spread.ts';
import { copyDatabase, createFilled, firstStamp as firstStampOf } from './users-table.ts';

const SETTINGS = { fsync: 'on', autovacuum: 'off', max_wal_size: '16GB', checkpoint_timeout: '30min' };
/** One-row transactions with a commit each are slow: fewer changes tell as much. */
const ONE_ROW_SHARE = 0.2;
const MIN_ROUNDS = 3;

/**
 * The apply function against PostgreSQL's logical replication into an identical table, each in a copy of one database, in
 * turns: A B C A B C. Both wait for each commit to reach the disk, but for the one variant that says otherwise.
 */
export async function benchApply({ rows, seconds, say }: Part): Promise<Record<string, number>> {
  const publisher = await startCluster({ name: 'publisher', settings: { ...SETTINGS, shared_buffers: '512MB' } });
  const target = await startCluster({ name: 'target', settings: { ...SETTINGS, shared_buffers: '2GB' } });
  const firstStamp = firstStampOf();
  say(`filling ${rows.toLocaleString('en-US')} rows`);
  await Promise.all([publisher, target].map((cluster) => createFilled(cluster, 'filled', rows, firstStamp)));
  const native = async (database: string, name: string, transactionRows: number, synchronousCommit: boolean) => {
    await Promise.all([publisher, target].map((cluster) => copyDatabase(cluster, 'filled', database)));
    const changes = transactionRows === 1 ? Math.ceil(rows * ONE_ROW_SHARE) : rows;
    return createNative(publisher, target, { name, database, rows, changes, transactionRows, synchronousCommit });
  };
  const ours = async (database: string, name: string, prepare: boolean, conflicts = false) => {
    await copyDatabase(target, 'filled', database);
    return createOurs(target, { name, database, rows, firstStamp, prepare, conflicts });
  };
  const contestants = {
    native1000: await native('native1000', 'logical replication, 1000-row transactions', 1000, true),
    native1000Async: await native('native1000async', 'the same, commits not waited for', 1000, false),
    native1: await native('native1', 'logical replication, 1-row transactions', 1, true),
    ours: await ours('ours', 'apply, unnamed statements', false),
    oursPrepared: await ours('ours_prepared', 'apply, prepared statements', true),
    conflicts5: await ours('conflicts5', 'apply, unnamed statements, 5 % conflicts', false, true),
  };
  const figures = await takeTurns(contestants, seconds, (contestant) => measure(contestant, target), say);
  for (const contestant of Object.values(contestants)) await contestant.close();
  const spreads = Object.entries(contestants).map(([key, { name }]) => ({
    key,
    name,
    ...spreadOf(figures[key] ?? []),
  }));
  const medians = Object.fromEntries(spreads.map(({ key, median }) => [key, Math.round(median)]));
  const ratio = (a: string, b: string): number => rounded((medians[a] ?? 0) / (medians[b] ?? 0));
  say(
    markdownTable(
      ['rows per second', 'min', 'median', 'max', 'of native'],
      spreads.map(({ key, name, min, median, max }) => [
        name,
        ...[min, median, max].map(Math.round),
        ratio(key, 'native1000'),
      ]),
    ),
  );
  return {
    ...medians,
    ratio1000: ratio('ours', 'native1000'),
    ratioPrepared1000: ratio('oursPrepared', 'native1000'),
    ratio1: ratio('ours', 'native1'),
  };
}

/** Rounds of one measurement each until the time is up; a first round that warms up is thrown away. */
async function takeTurns(
  contestants: Readonly<Record<string, Contestant>>,
  seconds: number,
  run: (contestant: Contestant) => Promise<number>,
  say: Part['say'],
): Promise<Record<string, number[]>> {
  const figures: Record<string, number[]> = {};
  const start = performance.now();
  for (let round = 0; round <= MIN_ROUNDS || performance.now() - start < seconds * 1000; round++) {
    for (const [key, contestant] of Object.entries(contestants)) {
      const figure = await run(contestant);
      say(
        `${round === 0 ? 'warm-up' : `round ${round}`}: ${contestant.name}: ${Math.round(figure).toLocaleString('en-US')}`,
      );
      if (round > 0) (figures[key] ??= []).push(figure);
    }
  }
  return figures;
}
