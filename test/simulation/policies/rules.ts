/** The columns of the one table: `a` and `b` are edited, `n` is edited or counted. */
export const COLUMNS = ['a', 'b', 'n'] as const;
export type Column = (typeof COLUMNS)[number];

/** What a region's triggers follow. */
export type Rule = {
  /** Otherwise a register table: `nextVersion`. */
  readonly lattice: boolean;
  readonly registers: readonly string[];
  /** Is `n` a counter? */
  readonly counted: boolean;
};

export const RULES = {
  lww: { lattice: false, registers: [], counted: false },
  /** `merge` */
  merge: { lattice: true, registers: ['a', 'b', 'n'], counted: false },
  /** `merge` with a group */
  group: { lattice: true, registers: ['a,b', 'n'], counted: false },
  /** `merge` with a counter */
  counters: { lattice: true, registers: ['a', 'b'], counted: true },
  /** `merge` with a group and a counter */
  grouped: { lattice: true, registers: ['a,b'], counted: true },
  /** `delete: wins` */
  wins: { lattice: true, registers: ['*'], counted: false },
  /** counters on a table without `merge` */
  stock: { lattice: true, registers: ['*'], counted: true },
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof RULES;
