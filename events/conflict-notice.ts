import Type, { type Static } from 'typebox';
import { compiled } from './checked.ts';

/** One of the two versions of a conflict, as far as people need it. */
const Side = Type.Object({
  kind: Type.String({ description: 'row or tombstone' }),
  stamp: Type.String({ description: 'of the write, ISO 8601 in UTC, microseconds' }),
  region: Type.String({ description: 'of the write, with its incarnation from the second on' }),
  /** Texts by column. Null: there is none, or it is far too large. */
  image: Type.Union([Type.Null(), Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]))]),
  /** False: columns are missing in the image because they are large. The conflict log has them all. */
  complete: Type.Boolean(),
});
export type ConflictSide = Static<typeof Side>;

/**
 * A conflict of which somebody is to be told: what is sent to people, one for each `id`, whichever regions logged it. An image
 * has at most 8 KB, so a notice fits any message service.
 */
export const ConflictNotice = Type.Object({
  id: Type.String({ minLength: 1, description: 'the same in every region' }),
  table: Type.String(),
  key: Type.Array(Type.Union([Type.String(), Type.Null()])),
  kind: Type.String(),
  rule: Type.String(),
  part: Type.String({ description: 'empty: the whole row; else the columns that lost' }),
  amount: Type.Union([Type.String(), Type.Null()], { description: 'of lost increments' }),
  review: Type.Union([Type.Literal('alert'), Type.Literal('manual')]),
  region: Type.String({ description: 'whose log it was found in' }),
  loggedAt: Type.String(),
  loser: Side,
  winner: Side,
});
export type ConflictNotice = Static<typeof ConflictNotice>;

/** A transaction id of PostgreSQL, 64 bits, in digits. */
const Xid = Type.String({ pattern: '^\\d+$' });

/** Where the next page of one reading begins: after this line; `until` is the cursor that the whole reading leads to. */
const Page = Type.Object({ xid: Xid, id: Type.String(), until: Xid });
export type ConflictPage = Static<typeof Page>;

/** Transaction ids by region and incarnation, `us-east-1#2`: a database that was restored is another one, and is read from its beginning. */
export const ConflictCursors = Type.Record(Type.String(), Xid);
export type ConflictCursors = Static<typeof ConflictCursors>;

/** To the function of a region that reads its conflict log. */
export const ConflictsRequest = Type.Object({
  /** Cursors of all regions: each takes its own. */
  after: ConflictCursors,
  /** From the answer before this one; absent in the first request of a reading. */
  page: Type.Optional(Page),
  limit: Type.Integer({ minimum: 1, maximum: 100 }),
});
export type ConflictsRequest = Static<typeof ConflictsRequest>;

export const ConflictsAnswer = Type.Object({
  /** With its incarnation: what the cursor belongs to. */
  region: Type.String({ minLength: 1 }),
  notices: Type.Array(ConflictNotice),
  /** Every line of an earlier transaction has been given out once these notices have been taken. Lines after it may come again. */
  cursor: Xid,
  /** Absent: there is no more. */
  page: Type.Optional(Page),
});
export type ConflictsAnswer = Static<typeof ConflictsAnswer>;

const checkedRequest = compiled(ConflictsRequest);
const checkedAnswer = compiled(ConflictsAnswer);

type SchemaError = { readonly instancePath: string; readonly message: string };

export const notAs = (what: string, errors: readonly SchemaError[]): TypeError =>
  new TypeError(`not ${what}: ${errors[0]?.instancePath || '/'} ${errors[0]?.message ?? ''}`);

/** Throws a TypeError that names the first path that does not fit. */
export function parseConflictsRequest(value: unknown): ConflictsRequest {
  if (checkedRequest.Check(value)) return value;
  throw notAs('a request for conflicts', checkedRequest.Errors(value));
}

/** Throws a TypeError that names the first path that does not fit. */
export function parseConflictsAnswer(value: unknown): ConflictsAnswer {
  if (checkedAnswer.Check(value)) return value;
  throw notAs('an answer of conflicts', checkedAnswer.Errors(value));
}

/** The function of a region that reads its conflict log. The hub's alert function, in another stage, knows it by this name. */
export const conflictsFunction = (region: string): string => `concord-${region}-conflicts`;
