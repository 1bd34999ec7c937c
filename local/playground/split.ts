import { type Token, tokenAt } from './lexer.ts';
import { beginStatement, type Pending } from './pending.ts';
import type { ScriptPart } from './script-part.ts';

/** Meta-commands that send what was typed before them, as a semicolon would. */
const SENDS = /^(?:g|gx|gset|gexec|gdesc|crosstabview|watch|bind|parse)$/;
const META = /\\(\S*)[^\S\n]*([^\n]*)/y;

/** Counts lines as the script is walked, so that a script of any length is walked once. Indexes must not go back. */
function lineCounter(text: string): (index: number) => number {
  let [line, position] = [1, 0];
  return (index) => {
    for (let next = text.indexOf('\n', position); next >= 0 && next < index; next = text.indexOf('\n', position)) {
      line++;
      position = next + 1;
    }
    return line;
  };
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

/** Data of a COPY begins on the line after the statement and ends before a line that is `\.`, or with the script. */
function copyData(text: string, from: number): { data: string; end: number } {
  const start = Math.min(text.length, lineEnd(text, from) + 1);
  const close = /^\\\.\r?$/gm;
  close.lastIndex = start;
  const match = close.exec(text);
  return match === null
    ? { data: text.slice(start), end: text.length }
    : { data: text.slice(start, match.index), end: close.lastIndex };
}

function metaCommand(text: string, from: number): { name: string; argument: string; end: number } {
  META.lastIndex = from;
  const [whole = '\\', name = '', argument = ''] = META.exec(text) ?? [];
  return { name, argument: argument.trim(), end: from + whole.length };
}

/** A statement that ends at `end`, and where to go on. */
function finished(text: string, pending: Pending, end: number): { part: ScriptPart; next: number } {
  const [sql, { line }] = [pending.sqlTo(end), pending];
  if (!pending.isCopyFromStdin()) return { part: { kind: 'statement', sql, line }, next: end + 1 };
  const { data, end: next } = copyData(text, end);
  return { part: { kind: 'copy', sql, data, line }, next };
}

/** What a statement has come to at `end`, where it is sent, or the script is over or cannot be read on. */
function rest(pending: Pending, end: number, begun = pending.openIn()): ScriptPart {
  const [sql, { line }] = [pending.sqlTo(end), pending];
  return begun === undefined ? { kind: 'statement', sql, line } : { kind: 'unterminated', begun, sql, line };
}

/** Walks a script; `step` reads one token and returns the parts that it completes. */
function walker(text: string) {
  const lineAt = lineCounter(text);
  let pending: Pending | undefined;
  let index = text.startsWith('\uFEFF') ? 1 : 0;
  const take = (): Pending | undefined => {
    const taken = pending;
    pending = undefined;
    return taken;
  };
  const meta = (from: number): ScriptPart[] => {
    const { end, ...command } = metaCommand(text, from);
    index = end;
    const sent = SENDS.test(command.name) ? take() : undefined;
    pending?.cut(from, end);
    const part: ScriptPart = { kind: 'meta', ...command, line: lineAt(from) };
    return sent ? [rest(sent, from), part] : [part];
  };
  const end = (from: number): ScriptPart[] => {
    const ended = take();
    if (!ended) return [];
    const { part, next } = finished(text, ended, from);
    index = next;
    return [part];
  };
  const add = (token: Token, from: number): ScriptPart[] => {
    pending ??= beginStatement(text, from, lineAt(from));
    note(pending, token);
    if (token.kind !== 'unterminated') return [];
    return [{ ...rest(take() as Pending, text.length, token.begun), line: lineAt(from) }];
  };
  return {
    isAtEnd: (): boolean => index >= text.length,
    step: (): ScriptPart[] => {
      const from = index;
      const token = tokenAt(text, from);
      index = token.end;
      if (token.kind === 'space') return [];
      if (token.kind === 'backslash') return meta(from);
      return token.kind === 'semicolon' && pending?.openIn() === undefined ? end(from) : add(token, from);
    },
    rest: (): ScriptPart[] => (pending ? [rest(pending, text.length)] : []),
  };
}

function note(pending: Pending, token: Token): void {
  if (token.kind === 'open') pending.open();
  if (token.kind === 'close') pending.close();
  if (token.kind === 'word') pending.word(token.text);
}

/**
 * Splits a script into what psql would send: statements end at a semicolon that is in no string, dollar quote, comment,
 * parenthesis or `BEGIN ATOMIC` body. Never throws; what does not end comes as `unterminated`.
 */
export function* splitScript(text: string): Generator<ScriptPart> {
  const script = walker(text);
  while (!script.isAtEnd()) yield* script.step();
  yield* script.rest();
}
