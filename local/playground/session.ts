import type { Sql } from '@concord/runtime';
import type { DatabaseError } from './hints.ts';
import { createRole, mentionsRoles, missingRole } from './roles.ts';
import { gist } from './treatment.ts';

/** What a statement came to. `skipped` says why it need not succeed here. */
export type StatementResult = { readonly note?: string };

const BEGINS = /^(?:begin|start transaction)\b/i;
const ENDS = /^(?:commit|end|abort|rollback(?! (?:work |transaction )?to\b)|prepare transaction)\b/i;
const SAVEPOINT = 'concord_script';
/** An extension whose files are missing; PostgreSQL 18 says the same in other words. */
const NO_EXTENSION = /^(?:could not open extension control file|extension ".*" (?:is not available|does not exist))/;
const EXTENSION = /^(?:create extension (?:if not exists )?|comment on extension )"?([\w-]+)"?/i;

/** Runs the statements of a script in one session, as psql would, and mends what is only missing on this machine. */
export type ScriptSession = {
  /** Rejects with PostgreSQL's error. */
  readonly run: (sql: string) => Promise<StatementResult>;
  readonly isInTransaction: () => boolean;
  readonly missingExtensions: () => readonly string[];
};

export function scriptSession(sql: Sql): ScriptSession {
  let inTransaction = false;
  const missing: string[] = [];

  /** Why a failed statement is no failure: a setting of another version, or an extension that is not here. */
  const excuse = (text: string, error: DatabaseError): string | undefined => {
    if (
      /^set /i.test(text) &&
      error.code === '42704' &&
      error.message.startsWith('unrecognized configuration parameter')
    )
      return 'this PostgreSQL has no such setting';
    const extension = EXTENSION.exec(text)?.[1];
    if (extension === undefined || !NO_EXTENSION.test(error.message)) return undefined;
    if (!missing.includes(extension)) missing.push(extension);
    return 'this extension is not part of the PostgreSQL from npm: what needs it will fail';
  };
  const mend = async (statement: string, text: string, error: DatabaseError): Promise<StatementResult> => {
    const role = missingRole(error);
    const why = role === undefined ? excuse(text, error) : undefined;
    if (role === undefined && why === undefined) throw error;
    if (inTransaction) await sql.unsafe(`rollback to savepoint ${SAVEPOINT}`);
    if (role === undefined) return { note: `skipped: ${why}` };
    await createRole(sql, role);
    const again = await run(statement, text);
    return { note: [`created the role ${role}, which was missing`, again.note].filter(Boolean).join('; ') };
  };
  const run = async (statement: string, text: string): Promise<StatementResult> => {
    const isMendable = mentionsRoles(text) || /^set /i.test(text) || EXTENSION.test(text);
    if (isMendable && inTransaction) await sql.unsafe(`savepoint ${SAVEPOINT}`);
    try {
      await sql.unsafe(statement).simple();
    } catch (error) {
      if (!isMendable) throw error;
      return mend(statement, text, error as DatabaseError);
    }
    if (BEGINS.test(text)) inTransaction = true;
    else if (ENDS.test(text)) inTransaction = false;
    return {};
  };
  return {
    run: (statement) => run(statement, gist(statement)),
    isInTransaction: () => inTransaction,
    missingExtensions: () => missing,
  };
}
