import Type, { type Static } from 'typebox';
import { compiled } from './checked.ts';
import { notAs } from './conflict-notice.ts';
import { type CheckResult, DigestMode, type Place } from './reconcile.ts';

/** What somebody asks of a run: the input of the state machine, and of `concord reconcile`. */
export const RunInput = Type.Object(
  {
    /** Default: all tables of the topology. */
    tables: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
    /** Default full. */
    mode: Type.Optional(DigestMode),
    /** Default false: nothing is written. */
    repair: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type RunInput = Static<typeof RunInput>;

/** As Step Functions names executions: those that a rule starts have two UUIDs and an underscore. */
const Run = Type.String({ pattern: '^[0-9A-Za-z_-]{1,80}$' });

/** As Step Functions tells of a stage that failed and was given up. */
const StageError = Type.Object({ Error: Type.String(), Cause: Type.Optional(Type.String()) });

/**
 * The stages of a run, each one invocation of the hub's reconcile function. Between them everything is in the run's store, so an
 * answer is small, and a stage that is tried again does the same again.
 */
export const ReconcileRequest = Type.Union([
  Type.Object({ do: Type.Literal('plan'), run: Run, input: RunInput }),
  Type.Object({ do: Type.Literal('ready'), run: Run }),
  Type.Object({
    do: Type.Literal('compare'),
    run: Run,
    table: Type.String(),
    part: Type.Integer({ minimum: 0 }),
  }),
  Type.Object({ do: Type.Literal('judge'), run: Run, table: Type.String() }),
  Type.Object({ do: Type.Literal('repair'), run: Run, region: Type.String() }),
  Type.Object({ do: Type.Literal('verify'), run: Run, table: Type.String() }),
  Type.Object({ do: Type.Literal('collect'), run: Run }),
  /** `error`: why the run ended before its last stage. */
  Type.Object({
    do: Type.Literal('report'),
    run: Run,
    error: Type.Optional(Type.Union([Type.Null(), StageError])),
  }),
]);
export type ReconcileRequest = Static<typeof ReconcileRequest>;

/** The name of an error by which a stage that has no other answer says that it has got so far, and that the same request goes on. */
export const OUT_OF_TIME = 'OutOfTime';

export type ReconcileAnswers = {
  /** `parts`: what is compared, one item each of the map; `tables`, `regions`: of those that follow. */
  readonly plan: {
    readonly run: string;
    readonly parts: readonly { readonly table: string; readonly part: number }[];
    readonly tables: readonly string[];
    readonly regions: readonly string[];
    readonly repair: boolean;
  };
  /** Has every region applied all that was closed when the run began? `behind`: those that have not, for people. */
  readonly ready: { readonly ready: boolean; readonly behind: readonly string[] };
  readonly compare: { readonly rows: number; readonly ranges: number; readonly differing: number };
  readonly judge: { readonly verdict: Verdict; readonly differences: number };
  /** `done`: false where time was up; the same request goes on. */
  readonly repair: { readonly done: boolean; readonly sent: number };
  readonly verify: { readonly verdict: Verdict; readonly differences: number };
  readonly collect: { readonly done: boolean; readonly collected: number };
  readonly report: { readonly verdict: Verdict; readonly differences: number; readonly rows: number };
};

/**
 * `incomplete`: a region or a part could not be read, so nothing can be said of it. The greatest of what was found counts for a table
 * and for a run: match < in_flight < diverged < corrupt < schema < incomplete.
 */
export const VERDICTS = ['match', 'in_flight', 'diverged', 'corrupt', 'schema', 'incomplete'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** What a region holds of a key that differs. */
export type Holding = {
  /**
   * `winner`: the join of all. `missing`: nothing. `stale`: an older version. `resurrected`: a live row whose key is dead.
   * `lost_tombstone`: nothing, where a tombstone should be. `content`: the same stamp with other columns. `placement`: the right
   * version, visible where it should be held or the other way round. `unsettled`, `parked`: it has yet to be decided here.
   */
  readonly holds:
    | 'winner'
    | 'missing'
    | 'stale'
    | 'resurrected'
    | 'lost_tombstone'
    | 'content'
    | 'placement'
    | 'unsettled'
    | 'parked';
  readonly place: Place | null;
  readonly stampUs: number | null;
  readonly region: string | null;
};

export type Difference = {
  readonly table: string;
  readonly key: readonly string[];
  readonly verdict: 'in_flight' | 'diverged' | 'corrupt';
  /** Of the winner; on a lattice table it may be a version that no region has. */
  readonly stampUs: number;
  readonly region: string;
  readonly place: Place;
  /** Was it only ever in the region that wrote it? Then its capture or its log lost it. */
  readonly undelivered: boolean;
  readonly holdings: Readonly<Record<string, Holding>>;
  /** Columns in which a region differs from the winner: the winner's text, and the regions'. */
  readonly columns: readonly {
    readonly name: string;
    readonly winner: string | null;
    readonly regions: Readonly<Record<string, string | null>>;
  }[];
};

export type TableReport = {
  readonly table: string;
  readonly verdict: Verdict;
  /** By region: versions that were compared. */
  readonly rows: Readonly<Record<string, number>>;
  readonly ranges: number;
  readonly differing: number;
  /** By verdict, all of them; `differences` holds the first thousand. */
  readonly counts: Readonly<Record<Difference['verdict'], number>>;
  readonly differences: readonly Difference[];
  /** Sentences for people: a column that a region lacks, another type, a table that is not live. */
  readonly schema: readonly string[];
  readonly checks: Readonly<Record<string, readonly CheckResult[]>>;
  /** By region: versions that were sent. */
  readonly repaired: Readonly<Record<string, number>>;
  /** After the repair; null where there was none. */
  readonly after: { readonly verdict: Verdict; readonly differences: number } | null;
  readonly horizonUs: number;
  readonly collected: number;
};

export type Report = {
  readonly run: string;
  readonly startedUs: number;
  readonly finishedUs: number;
  /** Versions stamped below it were compared; later ones are in flight. */
  readonly asOfUs: number;
  readonly mode: DigestMode;
  readonly repair: boolean;
  readonly verdict: Verdict;
  readonly regions: readonly string[];
  readonly tables: readonly TableReport[];
  /** What could not be done, a sentence each. */
  readonly errors: readonly string[];
  /** Diverged and corrupt keys among all that were compared, 0 … 1. */
  readonly inconsistency: number;
};

const checked = compiled(ReconcileRequest);

/** Throws a TypeError that names the first path that does not fit. */
export function parseReconcileRequest(value: unknown): ReconcileRequest {
  if (checked.Check(value)) return value;
  throw notAs('a stage of a run', checked.Errors(value));
}

/** The hub's state machine, and its function. */
export const reconcileMachine = (hub: string): string => `concord-${hub}-reconcile`;
export const reconcileFunction = (hub: string): string => `concord-${hub}-reconcile`;
