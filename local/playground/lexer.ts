/** One lexical element of SQL that matters for finding where a statement ends. `end` is the index behind it. */
export type Token =
  | { readonly kind: 'word'; readonly text: string; readonly end: number }
  | { readonly kind: 'other' | 'space' | 'semicolon' | 'open' | 'close' | 'backslash'; readonly end: number }
  | { readonly kind: 'unterminated'; readonly begun: string; readonly end: number };

const SPACE = /(?:\s+|--[^\n]*)+/y;
const WORD = /[\p{L}_][\p{L}\p{N}_$]*/uy;
/** A quote that may follow a prefix; E'' strings know backslash escapes, U&'' and all others do not. */
const PLAIN_STRING = /'[^']*(?:''[^']*)*'/y;
const ESCAPE_STRING = /'[^'\\]*(?:(?:''|\\[\s\S])[^'\\]*)*'/y;
const IDENTIFIER = /"[^"]*(?:""[^"]*)*"/y;
const DOLLAR_TAG = /\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$/uy;
const NUMBER_OR_PARAMETER = /[\p{N}$][\p{L}\p{N}_.$]*/uy;
const PLAIN = /[^\s;()\\'"$\-/\p{L}\p{N}_]+/uy;

const at = (pattern: RegExp, text: string, index: number): string | undefined => {
  pattern.lastIndex = index;
  return pattern.exec(text)?.[0];
};

function quoted(text: string, index: number, pattern: RegExp, begun: string): Token {
  const match = at(pattern, text, index);
  return match === undefined
    ? { kind: 'unterminated', begun, end: text.length }
    : { kind: 'other', end: index + match.length };
}

function dollarQuoted(text: string, index: number): Token {
  const tag = at(DOLLAR_TAG, text, index);
  if (tag === undefined) return { kind: 'other', end: index + (at(NUMBER_OR_PARAMETER, text, index)?.length ?? 1) };
  const close = text.indexOf(tag, index + tag.length);
  return close < 0
    ? { kind: 'unterminated', begun: `the dollar quote ${tag}`, end: text.length }
    : { kind: 'other', end: close + tag.length };
}

/** Comments nest in PostgreSQL, unlike in standard C. */
function blockComment(text: string, index: number): Token {
  const delimiter = /\/\*|\*\//g;
  delimiter.lastIndex = index;
  for (let depth = 0, match = delimiter.exec(text); match; match = delimiter.exec(text)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return { kind: 'space', end: delimiter.lastIndex };
  }
  return { kind: 'unterminated', begun: 'a /* comment', end: text.length };
}

function word(text: string, index: number): Token | undefined {
  const found = at(WORD, text, index);
  if (found === undefined) return undefined;
  const end = index + found.length;
  if (text[end] === "'" && (found === 'E' || found === 'e')) return quoted(text, end, ESCAPE_STRING, 'a string');
  return { kind: 'word', text: found, end };
}

const SINGLE: Readonly<Record<string, 'semicolon' | 'open' | 'close' | 'backslash'>> = {
  ';': 'semicolon',
  '(': 'open',
  ')': 'close',
  '\\': 'backslash',
};

/** The token at `index`, which must be inside the text. Strings follow `standard_conforming_strings = on`. */
export function tokenAt(text: string, index: number): Token {
  const char = text[index] ?? '';
  const single = SINGLE[char];
  if (single !== undefined) return { kind: single, end: index + 1 };
  if (char === "'") return quoted(text, index, PLAIN_STRING, 'a string');
  if (char === '"') return quoted(text, index, IDENTIFIER, 'a quoted identifier');
  if (char === '$') return dollarQuoted(text, index);
  if (char === '/' && text[index + 1] === '*') return blockComment(text, index);
  const space = at(SPACE, text, index);
  if (space !== undefined) return { kind: 'space', end: index + space.length };
  const rest = word(text, index);
  if (rest !== undefined) return rest;
  const run = at(NUMBER_OR_PARAMETER, text, index) ?? at(PLAIN, text, index) ?? char;
  return { kind: 'other', end: index + run.length };
}
