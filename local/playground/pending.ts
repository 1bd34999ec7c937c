/** What is known of a statement while it is read: as much as psql keeps in mind. */
export type Pending = {
  /** The line of its first token. */
  readonly line: number;
  /** Its text up to an index of the script, without what was cut out. */
  readonly sqlTo: (end: number) => string;
  /** Leaves out what is between two indexes: a meta-command. */
  readonly cut: (from: number, to: number) => void;
  /** Whether a semicolon would end it here; else in what it is. */
  readonly openIn: () => string | undefined;
  readonly open: () => void;
  readonly close: () => void;
  readonly word: (text: string) => void;
  readonly isCopyFromStdin: () => boolean;
};

const ROUTINE = /^CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)$/;
/** CREATE OR REPLACE FUNCTION are four words. */
const MAX_ROUTINE_WORDS = 4;

export function beginStatement(script: string, start: number, line: number): Pending {
  let [kept, from] = ['', start];
  let [parentheses, blocks, count, first, last] = [0, 0, 0, '', ''];
  let opening = '';
  let [isRoutine, isCopyFromStdin] = [false, false];
  const countBlocks = (word: string): void => {
    if (word === 'BEGIN' || (word === 'CASE' && blocks > 0)) blocks++;
    else if (word === 'END' && blocks > 0) blocks--;
  };
  return {
    line,
    sqlTo: (end) => (kept + script.slice(from, end)).trimEnd(),
    cut: (cutFrom, cutTo) => {
      kept += script.slice(from, cutFrom);
      from = cutTo;
    },
    openIn: () => (parentheses > 0 ? 'a parenthesis' : blocks > 0 ? 'BEGIN ATOMIC' : undefined),
    open: () => {
      parentheses++;
    },
    close: () => {
      parentheses = Math.max(0, parentheses - 1);
    },
    word: (text) => {
      const word = text.toUpperCase();
      if (count++ === 0) first = word;
      if (count <= MAX_ROUTINE_WORDS) opening = `${opening} ${word}`.trim();
      if (count <= MAX_ROUTINE_WORDS && ROUTINE.test(opening)) isRoutine = true;
      if (parentheses === 0) {
        if (first === 'COPY' && last === 'FROM' && word === 'STDIN') isCopyFromStdin = true;
        if (isRoutine) countBlocks(word);
      }
      last = word;
    },
    isCopyFromStdin: () => isCopyFromStdin,
  };
}
