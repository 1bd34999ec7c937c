/** Where in which file. */
export type Place = { readonly file: string; readonly line: number };

/** Something of a script that was left out or done otherwise, on purpose. */
export type ScriptNote = Place & { readonly statement: string; readonly why: string };

/** A statement that failed. */
export type ScriptFailure = Place & {
  readonly statement: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
};

export type ScriptReport = {
  readonly statements: number;
  readonly notes: readonly ScriptNote[];
  /** Empty unless errors are skipped. */
  readonly failures: readonly ScriptFailure[];
};

/** Stops a script; the message is for a person. */
export class ScriptError extends Error {
  readonly failure: ScriptFailure;

  constructor(failure: ScriptFailure) {
    super(failureText(failure));
    this.name = 'ScriptError';
    this.failure = failure;
  }
}

/** `app.sql:12: relation "x" does not exist`, then the statement's beginning, detail and hint on lines of their own. */
export function failureText({ file, line, message, statement, detail, hint }: ScriptFailure): string {
  const lines = [`${file}:${line}: ${message}`];
  if (statement) lines.push(`  in: ${statement}`);
  if (detail) lines.push(`  detail: ${detail}`);
  if (hint) lines.push(`  hint: ${hint}`);
  return lines.join('\n');
}

export const noteText = ({ file, line, statement, why }: ScriptNote): string => `${file}:${line}: ${statement}: ${why}`;
