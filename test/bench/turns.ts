import { type Spread, spreadOf } from './spread.ts';

/** After a round that warms up. */
const MIN_ROUNDS = 3;

/**
 * Measures each run once per round, A B C A B C, so that whatever slows the machine down meets all of them; rounds are
 * added until the time is up; `minRounds` are counted at least.
 */
export async function takeTurns<Run>(
  runs: readonly Run[],
  seconds: number,
  measure: (run: Run, round: string) => Promise<number>,
  minRounds = MIN_ROUNDS,
): Promise<(run: Run) => Spread> {
  const figures = new Map(runs.map((run): [Run, number[]] => [run, []]));
  const start = performance.now();
  for (let round = 0; round <= minRounds || performance.now() - start < seconds * 1000; round++) {
    for (const [run, measured] of figures) {
      const figure = await measure(run, round === 0 ? 'warm-up' : `round ${round}`);
      if (round > 0) measured.push(figure);
    }
  }
  return (run) => spreadOf(figures.get(run) ?? []);
}
