import type { Db } from '@concord/runtime';
import type { Change } from './change.ts';
import { chunksOf } from './chunks.ts';
import { collapse, type Group } from './collapse.ts';
import { logConflicts } from './conflict-log.ts';
import { asLogged } from './merge-changes.ts';
import type { Plan } from './plan.ts';
import { sameRows } from './same-rows.ts';
import { CleanWriter } from './write-clean.ts';
import { type JoinedWrite, writeJoined } from './write-joined.ts';
import { writeLattice } from './write-lattice.ts';

/** Changes that were not applied because a newer version is there, and how many conflicts were logged for the first time. */
export type Written = { readonly superseded: readonly Change[]; readonly conflicts: number };

/** Each round ends with somebody's commit, so few are needed; more than this is a livelock, and the batch starts anew. */
const MAX_ROUNDS = 20;

/**
 * Writes the changes of one table in one transaction. All of it throws PostgreSQL's error when it refuses any row. Rows of register
 * tables take the clean path first; versions of lattice tables are always joined with what is stored.
 */
export class TableWriter {
  readonly plan: Plan;
  readonly #db: Db;
  readonly #clean: CleanWriter;
  readonly #write: (db: Db, plan: Plan, changes: readonly Change[]) => Promise<JoinedWrite>;
  readonly #superseded: Change[] = [];
  #again: Change[] = [];
  #conflicts = 0;

  constructor(db: Db, plan: Plan) {
    this.plan = plan;
    this.#db = db;
    this.#clean = new CleanWriter(db, plan);
    this.#write = plan.table.lattice ? writeLattice : writeJoined;
  }

  /** Groups of distinct keys, in key order. Deletes go first: they may free the value of a unique key for a row. */
  async add(groups: readonly Group[]): Promise<void> {
    const winners = await this.#winnersOf(groups);
    const isJoined = ({ kind }: Change): boolean => kind === 'tombstone' || this.plan.table.lattice;
    await this.#join(winners.filter(isJoined));
    await this.#clean.add(winners.filter((winner) => !isJoined(winner)));
  }

  /** Once what was added has been written, as far as the clean path goes; what that has inserted is looked at meanwhile. */
  async sent(): Promise<void> {
    await this.#clean.receive();
  }

  async finish(): Promise<Written> {
    for (let round = 0; ; round++) {
      const { refused, buried } = await this.#clean.end();
      this.#superseded.push(...buried);
      const left = [...refused, ...this.#again.splice(0)];
      if (left.length === 0) break;
      if (round === MAX_ROUNDS)
        throw new Error(`${this.plan.table.name}: ${left.length} rows found no rest in ${MAX_ROUNDS} rounds`);
      // Once more, because what was added one after the other may be versions of one row.
      const groups = collapse(left, await sameRows(this.#db, this.plan, left));
      await this.#join(await this.#winnersOf(groups));
      if (!this.plan.table.lattice) await this.#tryCleanAgain();
    }
    return { superseded: this.#superseded, conflicts: this.#conflicts };
  }

  async #tryCleanAgain(): Promise<void> {
    const again = this.#again;
    this.#again = again.filter(({ kind }) => kind === 'tombstone');
    await this.#clean.add(again.filter(({ kind }) => kind === 'row'));
  }

  async #winnersOf(groups: readonly Group[]): Promise<Change[]> {
    const { table } = this.plan;
    this.#superseded.push(...groups.flatMap(({ others }) => others));
    const collapsed = groups.flatMap(({ conflicts }) => conflicts.map((conflict) => asLogged(conflict, table)));
    for (const chunk of chunksOf(collapsed)) this.#conflicts += await logConflicts(this.#db, table.name, chunk);
    return groups.map(({ winner }) => winner);
  }

  async #join(changes: readonly Change[]): Promise<void> {
    for (const chunk of chunksOf(changes)) {
      const { superseded, conflicts, again } = await this.#write(this.#db, this.plan, chunk);
      this.#superseded.push(...superseded);
      this.#conflicts += conflicts;
      this.#again.push(...again);
    }
  }
}

/** Writes the groups of one table (distinct keys, in key order) and nothing else. */
export async function writeTable(db: Db, plan: Plan, groups: readonly Group[]): Promise<Written> {
  const writer = new TableWriter(db, plan);
  await writer.add(groups);
  return writer.finish();
}
