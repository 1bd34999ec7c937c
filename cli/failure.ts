import { Refused } from '../functions/operate/refused.ts';

/** Something the person at the keyboard can do something about: a message, and what to do. Exit code 1, or 2 for bad usage. */
export class Failure extends Error {
  readonly hint: string;
  readonly exitCode: number;

  constructor(message: string, hint: string, exitCode = 1) {
    super(message);
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is the database up, and are host and port right?',
  ENOTFOUND: 'the host name of the URL does not resolve',
  CONNECT_TIMEOUT: 'no answer: check security groups, VPN and the port',
  '28P01': 'the password is wrong',
  '28000': 'this role may not log in from here; see pg_hba.conf',
  '3D000': 'the database of the URL does not exist',
  '42501': 'this role lacks a privilege; run `concord preflight`',
  '55P03': 'a transaction holds a lock on the table; see pg_stat_activity, or raise --lock-timeout',
};

/** Nothing that is printed may hold a password; it can only be in a URL, and may itself hold an `@`. */
export const withoutPasswords = (text: string): string => text.replace(/(:\/\/[^:/@\s]*):\S*@/g, '$1:***@');

/** What an error says to a person; unknown ones say what they say. */
export function explain(error: unknown): { message: string; hint: string | undefined; exitCode: number } {
  if (error instanceof Failure)
    return { message: withoutPasswords(error.message), hint: error.hint, exitCode: error.exitCode };
  if (error instanceof Refused) return { message: withoutPasswords(error.message), hint: error.hint, exitCode: 1 };
  const { code, message } = error as { code?: string; message?: string };
  const text = message === undefined || message === '' ? String(code ?? error) : message;
  return { message: withoutPasswords(text), hint: code === undefined ? undefined : HINTS[code], exitCode: 1 };
}
