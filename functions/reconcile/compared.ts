import type { RunStore } from './context.ts';
import { mapLimited } from './reach.ts';
import { type Compared, names, type PlannedTable, readStored } from './stored.ts';

const FILES_AT_ONCE = 16;

/** What was found of all parts of a table, in their order; undefined of one that was not compared. */
export const readCompared = (
  store: RunStore,
  run: string,
  { table, parts }: Pick<PlannedTable, 'table' | 'parts'>,
): Promise<(Compared | undefined)[]> =>
  mapLimited(
    Array.from({ length: parts }, (_, part) => part),
    FILES_AT_ONCE,
    (part) => readStored<Compared>(store, names.compared(run, table, part)),
  );
