import type { Part } from '../part.ts';
import type { Contestant } from './contestant.ts';
import { type Duel, duel, duelTable, rateFigures, ratioFigures } from './duel.ts';
import { type Servers, startServers } from './servers.ts';

/** Changes of one run: ten invocations. */
const MAX_CHANGES = 50_000;
/** One-row transactions with a commit each are slow: fewer changes tell as much. */
const ONE_ROW_SHARE = 0.2;
const CONTESTANTS = 8;

/**
 * The apply function against PostgreSQL's logical replication into an identical table, each in a copy of one database, in
 * turns: A B C A B C. Both wait for each commit to reach the disk, but for the one variant that says otherwise. Of PostgreSQL's
 * two formats and of our two kinds of statements the better one counts.
 */
export async function benchApply({ rows, seconds, say }: Part): Promise<Record<string, number | string>> {
  const servers = await startServers(rows * CONTESTANTS, say);
  const contestants = await createContestants(servers, rows);
  await servers.ready();
  const result = await duel(Object.values(contestants), servers.target, { seconds, say });
  await servers.remove();
  const { native1, native1000Async, native1000Text, native1000Binary, unnamed, prepared } = contestants;
  const native1000 = betterOf(result, native1000Binary, native1000Text);
  const ours = betterOf(result, prepared, unnamed);
  const conflicts5 = ours === prepared ? contestants.conflictsPrepared : contestants.conflictsUnnamed;
  const compared = Object.values(contestants).map((contestant): [Contestant, Contestant] => [contestant, native1000]);
  say(duelTable(result, compared));
  return {
    ...rateFigures('native1000', result, native1000),
    ...rateFigures('native1', result, native1),
    ...rateFigures('ours', result, ours),
    ...ratioFigures('ratio1000', result.ratio(ours, native1000)),
    ...ratioFigures('ratio1', result.ratio(ours, native1)),
    ...rateFigures('conflicts5', result, conflicts5),
    ...ratioFigures('ratioConflicts5', result.ratio(conflicts5, native1000)),
    ...ratioFigures('conflictsOfOurs', result.ratio(conflicts5, ours)),
    mode: ours === prepared ? 'prepared' : 'unnamed',
    nativeFormat: native1000 === native1000Binary ? 'binary' : 'text',
    ...rateFigures('unnamed', result, unnamed),
    ...ratioFigures('ratioUnnamed1000', result.ratio(unnamed, native1000)),
    ...rateFigures('prepared', result, prepared),
    ...ratioFigures('ratioPrepared1000', result.ratio(prepared, native1000)),
    ...rateFigures('native1000Async', result, native1000Async),
    ...ratioFigures('ratio1000Async', result.ratio(ours, native1000Async)),
    ...rateFigures('native1000Other', result, native1000 === native1000Binary ? native1000Text : native1000Binary),
  };
}

export const betterOf = (result: Duel, a: Contestant, b: Contestant): Contestant =>
  result.spread(a).median >= result.spread(b).median ? a : b;

/** In the order of their turns: those that are compared stand side by side. */
async function createContestants(servers: Servers, rows: number) {
  const changes = Math.min(rows, MAX_CHANGES);
  const fewer = Math.ceil(changes * ONE_ROW_SHARE);
  const thousand = { changes, transactionRows: 1000, synchronousCommit: true, binary: true };
  const native = (database: string, name: string, options: Partial<typeof thousand> = {}): Promise<Contestant> =>
    servers.native({ rows }, { ...thousand, ...options, name: `logical replication, ${name}`, database });
  const ours = (database: string, name: string, prepare: boolean, conflicts = false): Promise<Contestant> =>
    servers.ours({ rows }, { name: `apply, ${name}`, database, prepare, events: { changes, conflicts } });
  return {
    native1: await native('native1', '1-row transactions, binary', { changes: fewer, transactionRows: 1 }),
    unnamed: await ours('unnamed', 'unnamed statements', false),
    native1000Binary: await native('native1000', '1000-row transactions, binary'),
    prepared: await ours('prepared', 'prepared statements', true),
    native1000Text: await native('native1000text', '1000-row transactions, text', { binary: false }),
    conflictsUnnamed: await ours('conflicts_unnamed', 'unnamed statements, 5 % conflicts', false, true),
    conflictsPrepared: await ours('conflicts_prepared', 'prepared statements, 5 % conflicts', true, true),
    native1000Async: await native('native1000async', '1000-row transactions, commits not waited for', {
      synchronousCommit: false,
    }),
  };
}
