import { compare, hasSeen, type Version } from '@concord/conflict';
import type { Sql } from '@concord/runtime';
import { greatest, type Held } from './states.ts';

/** One line of a region's conflict log. */
export type Logged = {
  readonly id: string;
  readonly table_name: string;
  readonly key: string;
  readonly kind: string;
  readonly loser: Held | undefined;
  readonly winner: Held | undefined;
  readonly loser_image: Record<string, string | null> | null;
};

type Row = Omit<Logged, 'loser' | 'winner' | 'loser_image'> & {
  loser_image: string | null;
  loser_stamp: string;
  loser_region: string;
  winner_stamp: string;
  winner_region: string;
};

const nameOf = ({ stamp, region }: Pick<Held, 'stamp' | 'region'>): string => `${stamp} ${region}`;

/** The conflict log of a region; losers and winners are looked up among all versions ever written. */
export async function readConflicts(sql: Sql, versions: readonly Held[]): Promise<Logged[]> {
  const rows = await sql.unsafe<Row[]>(
    `select id, table_name, key::text as key, kind, loser_image::text as loser_image, loser_region, winner_region,
       (extract(epoch from loser_stamp) * 1000000)::int8::text as loser_stamp,
       (extract(epoch from winner_stamp) * 1000000)::int8::text as winner_stamp from concord.conflict`,
  );
  const known = new Map(versions.map((version) => [nameOf(version), version]));
  return rows.map(({ loser_stamp, loser_region, winner_stamp, winner_region, loser_image, ...row }) => ({
    ...row,
    loser: known.get(`${loser_stamp} ${loser_region}`),
    winner: known.get(`${winner_stamp} ${winner_region}`),
    loser_image: loser_image === null ? null : JSON.parse(loser_image),
  }));
}

const asVersion = (version: Held): Version => ({ ...version, writes: 0 });
const sees = (later: Held, earlier: Held): boolean => hasSeen(asVersion(later), asVersion(earlier));

/** Logged pairs that are no conflict: of different rows, of no version at all, or where the winner knew the loser. */
export const invented = (logged: readonly Logged[]): Logged[] =>
  logged.filter(
    ({ loser, winner }) =>
      loser === undefined ||
      winner === undefined ||
      loser.row !== winner.row ||
      compare(winner, loser) <= 0 ||
      sees(winner, loser),
  );

/** Versions that are neither in the history of their row's winner nor of a logged loser. */
export function missed(logged: readonly Logged[], versions: readonly Held[]): Held[] {
  const winners = greatest(versions);
  const losers = Map.groupBy(
    logged.flatMap(({ loser }) => (loser === undefined ? [] : [loser])),
    ({ row }) => row,
  );
  return versions.filter((version) => {
    const accounted = [...(losers.get(version.row) ?? []), winners.get(version.row) as Held];
    return !accounted.some((other) => nameOf(other) === nameOf(version) || sees(other, version));
  });
}
