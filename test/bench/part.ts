/** What every part of the benchmark gets. */
export type Part = {
  /** Rows in the table. */
  readonly rows: number;
  /** Rounds are added until this much time has passed. */
  readonly seconds: number;
  /** Progress and the table of results, for a person. */
  readonly say: (line: string) => void;
};

/** What a part has found: flat, for the line of JSON. */
export type Figures = Record<string, number | string>;
