/** A piece of an SQL script as psql would run it, with the line (from 1) on which it begins. */
export type ScriptPart =
  | { readonly kind: 'statement'; readonly sql: string; readonly line: number }
  /** `COPY … FROM STDIN` and the data that follows it, without the closing `\.`. */
  | { readonly kind: 'copy'; readonly sql: string; readonly data: string; readonly line: number }
  /** A psql meta-command: `\connect shop` is name `connect`, argument `shop`. */
  | { readonly kind: 'meta'; readonly name: string; readonly argument: string; readonly line: number }
  /** The script ends inside something; `begun` says in what. */
  | { readonly kind: 'unterminated'; readonly begun: string; readonly sql: string; readonly line: number };
