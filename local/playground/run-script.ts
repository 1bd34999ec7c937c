import { dirname, resolve } from 'node:path';
import type { Sql } from '@concord/runtime';
import { copyIn } from './copy-in.ts';
import { type DatabaseError, hintFor } from './hints.ts';
import { metaTreatment } from './meta-commands.ts';
import { armTriggers } from './own-triggers.ts';
import { readBytes, readScript, type ScriptFile } from './script-file.ts';
import type { ScriptPart } from './script-part.ts';
import { type Place, ScriptError, type ScriptFailure, type ScriptNote, type ScriptReport } from './script-report.ts';
import { type ScriptSession, scriptSession } from './session.ts';
import { splitScript } from './split.ts';
import { gist, type Phase, treatmentOf } from './treatment.ts';

export type RunOptions = {
  readonly phase: Phase;
  /** Goes on after a statement that failed, as psql does. Default false. */
  readonly skipErrors?: boolean;
  readonly onStatement?: () => void;
};

const SHOWN = 100;
const shown = (sql: string): string => {
  const text = gist(sql);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
};

/**
 * Runs a script in the session of `sql` (one connection), as psql would: every statement for itself, COPY data from the
 * script, `\i` and `\copy … from` from files beside it. Throws a ScriptError at the first failure, unless errors are skipped.
 */
export async function runScript(sql: Sql, file: ScriptFile, options: RunOptions): Promise<ScriptReport> {
  const runner = new Runner(sql, options);
  await runner.runFile(file, []);
  await runner.finish(file);
  return runner.report();
}

class Runner {
  readonly #sql: Sql;
  readonly #options: RunOptions;
  readonly #session: ScriptSession;
  readonly #notes: ScriptNote[] = [];
  readonly #failures: ScriptFailure[] = [];
  #statements = 0;

  constructor(sql: Sql, options: RunOptions) {
    this.#sql = sql;
    this.#options = options;
    this.#session = scriptSession(sql);
  }

  report(): ScriptReport {
    return { statements: this.#statements, notes: this.#notes, failures: this.#failures };
  }

  async runFile(file: ScriptFile, including: readonly string[]): Promise<void> {
    for (const part of splitScript(file.text)) await this.#runPart(file, part, [...including, resolve(file.path)]);
  }

  /** psql rolls an open transaction back without a word. */
  async finish({ path, text }: ScriptFile): Promise<void> {
    if (!this.#session.isInTransaction()) return;
    await this.#sql.unsafe('rollback');
    const line = text.split('\n').length;
    const message = 'the script ends inside a transaction: nothing since BEGIN was kept';
    this.#fail({ file: path, line, statement: '', message, hint: 'add COMMIT' });
  }

  async #runPart(file: ScriptFile, part: ScriptPart, including: readonly string[]): Promise<void> {
    const place = { file: file.path, line: part.line };
    switch (part.kind) {
      case 'statement':
        return this.#statement(place, part.sql);
      case 'copy':
        return this.#copy(place, part.sql, part.data);
      case 'meta':
        return this.#meta(file, place, part, including);
      case 'unterminated':
        return this.#fail({ ...place, statement: shown(part.sql), message: `${part.begun} does not end` });
    }
  }

  async #statement(place: Place, sql: string): Promise<void> {
    const treatment = treatmentOf(sql, this.#options.phase);
    switch (treatment.action) {
      case 'run':
        return this.#run(place, sql);
      case 'run_and_rearm':
        await this.#run(place, sql);
        return armTriggers(this.#sql);
      case 'skip':
        return this.#note(place, sql, `skipped: ${treatment.why}`);
      case 'delete':
        for (const table of treatment.tables) await this.#run(place, `delete from ${table}`);
        return this.#note(place, sql, 'ran DELETE: TRUNCATE leaves no tombstones, so it could not travel');
      case 'refuse':
        return this.#fail({ ...place, statement: shown(sql), message: treatment.why, hint: treatment.hint });
    }
  }

  #run(place: Place, sql: string): Promise<void> {
    return this.#try(place, sql, async () => {
      const { note } = await this.#session.run(sql);
      if (note !== undefined) this.#note(place, sql, note);
    });
  }

  #copy(place: Place, sql: string, data: string | Buffer): Promise<void> {
    return this.#try(place, sql, () => copyIn(this.#sql, sql, data));
  }

  async #try(place: Place, sql: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#statements++;
      this.#options.onStatement?.();
    } catch (error) {
      this.#fail(this.#failureOf(place, sql, error as DatabaseError));
    }
  }

  async #meta(
    file: ScriptFile,
    place: Place,
    { name, argument }: Extract<ScriptPart, { kind: 'meta' }>,
    including: readonly string[],
  ): Promise<void> {
    const treatment = metaTreatment(name, argument);
    if (treatment.action === 'ignore') return;
    if (treatment.action === 'note') return this.#note(place, `\\${name} ${argument}`, treatment.why);
    // psql looks beside the working directory for \i; scripts are more often beside each other.
    const path = resolve(dirname(file.path), treatment.path);
    const statement = shown(`\\${name} ${argument}`);
    if (treatment.action === 'copy') {
      const bytes = await this.#read({ ...place, statement }, path, readBytes);
      if (bytes !== undefined) await this.#copy(place, treatment.sql, bytes);
      return;
    }
    if (including.includes(path)) return this.#fail({ ...place, statement, message: 'the script includes itself' });
    const included = await this.#read({ ...place, statement }, path, readScript);
    if (included !== undefined) await this.runFile(included, including);
  }

  /** A file that cannot be read is a failure of the line that asks for it. */
  async #read<T>(
    where: Place & { readonly statement: string },
    path: string,
    read: (path: string) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await read(path);
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      this.#fail({ ...error.failure, ...where, message: `${path}: ${error.failure.message}` });
      return undefined;
    }
  }

  #failureOf({ file, line }: Place, sql: string, error: DatabaseError): ScriptFailure {
    const { phase, skipErrors: skipsErrors = false } = this.#options;
    const missingExtensions = this.#session.missingExtensions();
    const hint = hintFor(error, { phase, sql, missingExtensions, skipsErrors });
    return {
      ...{ file, line: line + linesBefore(sql, error), statement: shown(sql), message: error.message },
      ...(error.detail ? { detail: error.detail } : {}),
      ...(hint === undefined ? {} : { hint }),
    };
  }

  #note(place: Place, sql: string, why: string): void {
    this.#notes.push({ ...place, statement: shown(sql), why });
  }

  #fail(failure: ScriptFailure): void {
    if (this.#options.skipErrors !== true) throw new ScriptError(failure);
    this.#failures.push(failure);
  }
}

/** How many lines below the beginning of the statement an error is: by position, or by line of the COPY data. */
function linesBefore(sql: string, { position, where }: DatabaseError): number {
  const lines = (text: string): number => text.split('\n').length - 1;
  const copyLine = /^COPY .*, line (\d+)/.exec(where ?? '')?.[1];
  if (copyLine !== undefined) return lines(sql) + Number(copyLine);
  return position === undefined ? 0 : lines([...sql].slice(0, Number(position) - 1).join(''));
}
