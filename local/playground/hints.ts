import type { Phase } from './treatment.ts';

/** The fields of a PostgreSQL error that help a person. */
export type DatabaseError = {
  readonly message: string;
  readonly code?: string;
  readonly detail?: string;
  readonly hint?: string;
  /** Characters from the beginning of the statement, from 1. */
  readonly position?: string;
  readonly where?: string;
};

export type HintContext = {
  readonly phase: Phase;
  readonly sql: string;
  /** Extensions of the script that this PostgreSQL does not have. */
  readonly missingExtensions: readonly string[];
  readonly skipsErrors: boolean;
};

const CIRCULAR =
  'rows come before the rows that they refer to. Put "set session_replication_role = replica;" on the first line, or dump with ' +
  "pg_dump --disable-triggers: foreign keys are then not checked while the data loads, and Concord's own triggers go on";

const looksLikeMysql = (sql: string): boolean => /`|\bauto_increment\b|\bengine\s*=/i.test(sql);

/** What to do about an error of a script: PostgreSQL's own hint first, else what is known about its kind. */
export function hintFor(error: DatabaseError, context: HintContext): string | undefined {
  if (error.hint) return error.hint;
  const { phase, sql } = context;
  if (error.code === '23503' && phase === 'data') return CIRCULAR;
  if (error.code === '42P07' || error.code === '42710')
    return 'it is there already: is the script, or a script that it includes, run twice?';
  if (error.code === '42704' || error.code === '42883' || error.code === '42P01') return missing(context);
  if (error.code === '25P02') return 'an earlier statement of this transaction failed';
  if (error.code !== '42601') return undefined;
  if (looksLikeMysql(sql)) return 'this is the dialect of MySQL: convert the script to PostgreSQL first';
  if (/(?:^|[^:\w]):'?"?[a-z_]\w*/i.test(sql)) return 'variables of psql (:name) are not replaced: write the value';
  return undefined;
}

function missing({ missingExtensions, skipsErrors }: HintContext): string | undefined {
  if (missingExtensions.length === 0) return undefined;
  const why = `the script wants ${missingExtensions.join(', ')}, which the PostgreSQL from npm does not bring along`;
  return skipsErrors ? why : `${why}; --skip-errors goes on without what needs it`;
}
