import { type Spread, spreadOf } from '../spread.ts';
import { takeTurns } from '../turns.ts';

/** `takeTurns` for runs that give several figures at a time: the spread of each. */
export async function figuresInTurns<Run, Name extends string>(
  runs: readonly Run[],
  seconds: number,
  measure: (run: Run, round: string) => Promise<Readonly<Record<Name, number>>>,
): Promise<(run: Run, name: Name) => Spread> {
  const rounds = new Map(runs.map((run): [Run, Map<string, Readonly<Record<Name, number>>>] => [run, new Map()]));
  let warmUp: string | undefined;
  await takeTurns(runs, seconds, async (run, round) => {
    warmUp ??= round;
    rounds.get(run)?.set(round, await measure(run, round));
    return 0;
  });
  return (run, name) => {
    const measured = [...(rounds.get(run) ?? [])].filter(([round]) => round !== warmUp);
    return spreadOf(measured.map(([, figures]) => figures[name]));
  };
}
