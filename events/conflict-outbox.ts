import Type, { type Static } from 'typebox';
import { compiled } from './checked.ts';
import { type ConflictCursors, type ConflictNotice, ConflictsAnswer, notAs } from './conflict-notice.ts';

/** What became of an alert that was tried. */
const Tried = Type.Object({
  id: Type.String(),
  /** All targets that have it by now, also from earlier tries. */
  sentTo: Type.Array(Type.String()),
  /** Null: every target has it. */
  error: Type.Union([Type.Null(), Type.String()]),
  /** No target that lacks it would ever take it. */
  refused: Type.Boolean(),
});
export type TriedAlert = Static<typeof Tried>;

/** To the function that keeps the hub's alerts. */
export const OutboxRequest = Type.Union([
  Type.Object({ do: Type.Literal('cursors') }),
  /** Takes what a region answered, and moves its cursor, in one transaction. */
  Type.Object({ do: Type.Literal('record'), answer: ConflictsAnswer }),
  /** Takes alerts that are due; they are due again after a pause, unless they are settled. */
  Type.Object({ do: Type.Literal('claim'), limit: Type.Integer({ minimum: 1, maximum: 100 }) }),
  Type.Object({ do: Type.Literal('settle'), tried: Type.Array(Tried) }),
  Type.Object({ do: Type.Literal('count') }),
]);
export type OutboxRequest = Static<typeof OutboxRequest>;

export type ClaimedAlert = {
  readonly notice: ConflictNotice;
  /** This one included. */
  readonly attempts: number;
  readonly sentTo: readonly string[];
};

export type OutboxAnswers = {
  cursors: { readonly cursors: ConflictCursors };
  /** Conflicts that are new. */
  record: { readonly recorded: number };
  claim: { readonly claimed: readonly ClaimedAlert[] };
  settle: { readonly settled: number };
  /** Waiting: to be tried (again). Given up: tried in vain to the end, and kept. */
  count: { readonly waiting: number; readonly givenUp: number };
};

const checked = compiled(OutboxRequest);

/** Throws a TypeError that names the first path that does not fit. */
export function parseOutboxRequest(value: unknown): OutboxRequest {
  if (checked.Check(value)) return value;
  throw notAs('a request to the outbox', checked.Errors(value));
}

/** The function that keeps the hub's alerts. */
export const outboxFunction = (hub: string): string => `concord-${hub}-outbox`;
