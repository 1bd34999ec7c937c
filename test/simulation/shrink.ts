type Outcome = { readonly failure: { readonly invariant: string } | undefined };

/** The smallest schedule found that still violates the same invariant: drops ever smaller runs of steps. */
export function shrunk<Step, Schedule extends { readonly steps: readonly Step[] }>(
  schedule: Schedule & { readonly steps: readonly Step[] },
  run: (schedule: Schedule) => Outcome,
): Schedule {
  const invariant = run(schedule).failure?.invariant;
  const fails = (steps: readonly Step[]): boolean => run({ ...schedule, steps }).failure?.invariant === invariant;
  let steps = schedule.steps;
  for (let size = Math.ceil(steps.length / 2); size >= 1; ) {
    const smaller = withoutARun(steps, size, fails);
    if (smaller === undefined) size = size === 1 ? 0 : Math.ceil(size / 2);
    else steps = smaller;
  }
  return { ...schedule, steps };
}

function withoutARun<Step>(
  steps: readonly Step[],
  size: number,
  fails: (steps: readonly Step[]) => boolean,
): readonly Step[] | undefined {
  for (let at = 0; at < steps.length; at += size) {
    const rest = steps.toSpliced(at, size);
    if (fails(rest)) return rest;
  }
  return undefined;
}
