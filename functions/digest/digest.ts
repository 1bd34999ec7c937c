import type { DigestAnswers, DigestRequest, Topology } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { checkTable } from './checks.ts';
import { collect } from './collect.ts';
import { keepReport } from './keep.ts';
import { listRanges, readPage } from './list.ts';
import { digestRanges } from './ranges.ts';
import { splitTable } from './split.ts';
import { readState } from './state.ts';
import { isDataError, readVersions } from './versions.ts';

/** Where a request is answered. */
export type DigestContext = {
  readonly region: string;
  readonly topology: Topology;
  /** When the invocation ends, ms since 1970; undefined where nobody waits. */
  readonly deadlineMs?: number | undefined;
};

/**
 * What a region knows of itself, its tables and their versions. `sql` is of `concord_operator`. Throws where a table or a column
 * is not known here, or a text is no value of its key.
 */
export async function answer<Do extends DigestRequest['do']>(
  sql: Sql,
  request: Extract<DigestRequest, { do: Do }>,
  context: DigestContext,
): Promise<DigestAnswers[Do]> {
  try {
    return (await answerOf(sql, request, context)) as DigestAnswers[Do];
  } catch (error) {
    throw isDataError(error) ? new Error(`${tableOf(request)}: ${(error as Error).message}`, { cause: error }) : error;
  }
}

const tableOf = (request: DigestRequest): string => {
  if ('reading' in request) return request.reading.table;
  return 'table' in request ? request.table : request.do;
};

function answerOf(
  sql: Sql,
  request: DigestRequest,
  context: DigestContext,
): Promise<DigestAnswers[DigestRequest['do']]> {
  switch (request.do) {
    case 'state':
      return readState(sql, request.tables, context);
    case 'split':
      return splitTable(sql, request.table, request.rows);
    case 'digest':
      return digestRanges(sql, request.reading, request.ranges, context.deadlineMs);
    case 'list':
      return listRanges(sql, request.reading, request.ranges, request.limit);
    case 'page':
      return readPage(sql, request.reading, request.range, request.limit, request.maxBytes);
    case 'versions':
      return readVersions(sql, request.reading, request.keys);
    case 'checks':
      return checkTable(sql, request.table);
    case 'collect':
      return collect(sql, request, context.deadlineMs);
    case 'keep':
      return keepReport(sql, request.run, request.report);
  }
}
