/** A known bug that can be switched on: one piece of one file replaced while it is loaded. Nothing on disk changes. */
export type Mutant = {
  readonly name: string;
  /** From the root of the project. */
  readonly file: string;
  /** Occurs exactly once in the file; otherwise the mutant is stale and the run fails. */
  readonly find: string;
  readonly replace: string;
  /** A second piece of the same file that the bug needs. */
  readonly and?: { readonly find: string; readonly replace: string };
  /** Test files, one of which must fail. */
  readonly tests: readonly string[];
  /** Only tests whose name matches are run: the one that has to notice. */
  readonly only?: string;
  /** What would happen in production. */
  readonly why: string;
};

/** The text of the file with the bug in it, or undefined when the mutant is stale: a piece is not there exactly once. */
export function mutated(text: string, { find, replace, and }: Mutant): string | undefined {
  let bug = text;
  for (const edit of and === undefined ? [{ find, replace }] : [{ find, replace }, and]) {
    if (bug.split(edit.find).length !== 2) return undefined;
    bug = bug.replace(edit.find, () => edit.replace);
  }
  return bug;
}
