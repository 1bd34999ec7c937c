import type { Cluster } from '../../../local/postgres/cluster.ts';
import type { Part } from '../part.ts';
import { markdownTable, rounded, type Spread, spreadOf } from '../spread.ts';
import { takeTurns } from '../turns.ts';
import { type Contestant, type Measured, measureAll } from './contestant.ts';

export type Duel = {
  /** Of a figure of one contestant, over all rounds. */
  readonly spread: (of: Contestant, figure?: keyof Measured) => Spread;
  /** Rows per second of `a` over those of `b`, of each round: a machine that drifts slows down both. */
  readonly ratio: (a: Contestant, b: Contestant) => Spread;
};

/** Contestants in turns, A B C A B C; what is to be compared should stand side by side. Closes them, which checks their tables. */
export async function duel(
  contestants: readonly Contestant[],
  target: Cluster,
  { seconds, say }: Pick<Part, 'seconds' | 'say'>,
): Promise<Duel> {
  const rounds = new Map(contestants.map((contestant): [Contestant, Measured[]] => [contestant, []]));
  const measuredOf = (contestant: Contestant): readonly Measured[] => rounds.get(contestant) ?? [];
  await takeTurns(contestants, seconds, async (contestant, round) => {
    const measured = await measureAll(contestant, target);
    if (round !== 'warm-up') rounds.get(contestant)?.push(measured);
    say(`${round}: ${contestant.name}: ${Math.round(measured.rowsPerSecond).toLocaleString('en-US')}`);
    return measured.rowsPerSecond;
  });
  for (const contestant of contestants) await contestant.close();
  return {
    spread: (of, figure = 'rowsPerSecond') => spreadOf(measuredOf(of).map((measured) => measured[figure])),
    ratio: (a, b) => {
      const others = measuredOf(b);
      return spreadOf(
        measuredOf(a).map((one, index) => one.rowsPerSecond / (others[index]?.rowsPerSecond ?? Number.NaN)),
      );
    },
  };
}

/** A table of contestants, each beside the one that it is compared with. CPU is of the median round, µs per row. */
export function duelTable(duel: Duel, pairs: readonly (readonly [Contestant, Contestant])[]): string {
  const lines = pairs.map(([contestant, other]) => {
    const { min, median, max } = duel.spread(contestant);
    const cpu = (['targetCpuUs', 'nodeCpuUs', 'sourceCpuUs'] as const).map((figure) =>
      oneDecimal(duel.spread(contestant, figure).median),
    );
    return [contestant.name, ...[min, median, max].map(Math.round), spreadText(duel.ratio(contestant, other)), ...cpu];
  });
  const head = ['rows per second', 'min', 'median', 'max', 'ratio (min to max)'];
  return markdownTable([...head, 'CPU µs/row: target', 'Node', 'sender'], lines);
}

const oneDecimal = (value: number): number => Math.round(value * 10) / 10;

const spreadText = ({ min, median, max }: Spread): string => `${rounded(median)} (${rounded(min)} to ${rounded(max)})`;

/** `ratioFigures('ratio1', spread)` has ratio1, ratio1Min and ratio1Max. */
export const ratioFigures = (name: string, { min, median, max }: Spread): Record<string, number> => ({
  [name]: rounded(median),
  [`${name}Min`]: rounded(min),
  [`${name}Max`]: rounded(max),
});

/** `rateFigures('ours', …)` has ours in rows per second, and oursTargetCpuUs and oursNodeCpuUs per row. */
export const rateFigures = (name: string, duel: Duel, contestant: Contestant): Record<string, number> => ({
  [name]: Math.round(duel.spread(contestant).median),
  [`${name}TargetCpuUs`]: oneDecimal(duel.spread(contestant, 'targetCpuUs').median),
  [`${name}NodeCpuUs`]: oneDecimal(duel.spread(contestant, 'nodeCpuUs').median),
});
