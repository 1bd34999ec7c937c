import { isDeepStrictEqual } from 'node:util';
import { isHeartbeat, isInternalTopic, type KafkaRecord } from '@concord/events';
import { progressOf, type Tally } from '@concord/idempotency';
import type { Sql } from '@concord/runtime';
import type { ApplyOptions } from './apply.ts';
import { type Batch, type Mode, writeBatch } from './batch.ts';
import { type Catalogue, CatalogueChanged, readCatalogue } from './catalogue-cache.ts';
import type { Change, Refusal } from './change.ts';
import { type Deadline, timed } from './deadline.ts';
import { decodeChange } from './decode.ts';
import type { ReasonCode } from './reasons.ts';
import { retryParked } from './retry.ts';
import { readLeftovers, settle } from './settle.ts';
import { slicesOf } from './slices.ts';
import { meaningOf } from './sqlstate.ts';

/** A transaction that keeps losing races (deadlocks with the application) is given back to the event source after this. */
const MAX_RACES = 10;

/** Applies records in one transaction, in the way that the errors met so far ask for. Keeps what it knows of the catalogue. */
export class Applier {
  readonly #options: ApplyOptions;
  #catalogue: Catalogue | undefined;

  constructor(options: ApplyOptions) {
    this.#options = options;
  }

  /** Throws when the database cannot work, or time is up: the event source delivers the batch again, in order. */
  async apply(
    records: readonly KafkaRecord[],
    killers: readonly Refusal<ReasonCode>[] = [],
    deadline?: Deadline,
  ): Promise<readonly Tally[]> {
    const { topology } = this.#options;
    const sql = timed(this.#options.sql, deadline);
    let mode: Mode = 'together';
    for (let races = 0; ; races++) {
      const catalogue = await this.#current(sql);
      const batch = this.#batchOf(records, killers, catalogue);
      try {
        return await writeBatch(sql, batch, catalogue, mode, topology.limits.lockTimeoutMs);
      } catch (error) {
        const changed = error instanceof CatalogueChanged;
        const meaning = changed ? 'schema' : meaningOf(error).kind;
        if (meaning === 'away' || races === MAX_RACES) throw error;
        if (meaning === 'schema' || meaning === 'row') await this.#refresh(sql);
        if (meaning === 'row' || (meaning === 'schema' && !changed)) mode = 'isolated';
      }
    }
  }

  /** Settles, and tries parked records again. What fails here is left for the next batch: this one is committed. */
  async afterBatch(deadline?: Deadline): Promise<void> {
    const { topology, onWarning } = this.#options;
    if (deadline?.isOver()) return;
    const sql = timed(this.#options.sql, deadline);
    try {
      const { unsettled, due } = await readLeftovers(sql);
      if (unsettled.length > 0)
        await settle(sql, (await this.#current(sql)).tables, unsettled, topology.limits.lockTimeoutMs);
      if (due) await this.#retry(sql);
    } catch (error) {
      onWarning?.('settling or retrying parked records failed; the next batch tries again', error);
    }
  }

  async #retry(sql: Sql): Promise<void> {
    const { topology, now } = this.#options;
    const catalogue = await this.#refresh(sql);
    await retryParked(sql, { topology, tables: catalogue.tables, now: now() }, catalogue);
  }

  async #current(sql: Sql): Promise<Catalogue> {
    this.#catalogue ??= await readCatalogue(sql);
    return this.#catalogue;
  }

  /** Keeps the tables, and with them their statements, when nothing changed. */
  async #refresh(sql: Sql): Promise<Catalogue> {
    const fresh = await readCatalogue(sql);
    if (!isDeepStrictEqual(this.#catalogue, fresh)) this.#catalogue = fresh;
    return this.#catalogue ?? fresh;
  }

  /**
   * What cannot be decoded is parked. A table or column that is unknown because it arrived since the catalogue was read
   * changes the catalogue's fingerprint: the batch does not commit, and comes here again under the new one.
   */
  #batchOf(records: readonly KafkaRecord[], killers: readonly Refusal<ReasonCode>[], { tables }: Catalogue): Batch {
    const context = { topology: this.#options.topology, tables, now: this.#options.now() };
    const refused: Refusal[] = [...killers];
    const decode = (slice: readonly KafkaRecord[]): Change[] => {
      const decoded = slice.map((record) => decodeChange(record, context));
      for (const result of decoded) if (!result.ok) refused.push(result.refusal);
      return decoded.flatMap((result) => (result.ok ? [result.change] : []));
    };
    const all = [...records, ...killers.map(({ record }) => record)];
    const progress = isInternalTopic(all[0]?.topic ?? '') ? [] : progressOf(all);
    const changes = records.filter((record) => !isHeartbeat(record));
    return { slices: slicesOf(changes, tables).values().map(decode), refused, progress };
  }
}
