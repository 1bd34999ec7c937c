import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { isHeartbeat, isInternalTopic, type KafkaRecord } from '@concord/events';
import { progressOf, type Tally } from '@concord/idempotency';
import { type Sql, send } from '@concord/runtime';
import { type Ahead, beginAhead, beginsOf } from './ahead.ts';
import type { ApplyOptions } from './apply.ts';
import { type Batch, type Mode, writeBatch } from './batch.ts';
import { type Catalogue, CatalogueChanged, readCatalogue, type Tables } from './catalogue-cache.ts';
import type { Change, Refusal } from './change.ts';
import { type Deadline, timed } from './deadline.ts';
import { decodeChange } from './decode.ts';
import { keepConflicts } from './keep-log.ts';
import { wakeParked } from './parked.ts';
import { notePeers, registerResolver } from './peers.ts';
import type { ReasonCode } from './reasons.ts';
import { retryParked } from './retry.ts';
import { nothingAside, refuse, sortOut } from './rollout.ts';
import { type Leftovers, readLeftovers, readUnsettled, settle } from './settle.ts';
import { slicesOf } from './slices.ts';
import { meaningOf, sqlState } from './sqlstate.ts';

/** A transaction that keeps losing races (deadlocks with the application) is given back to the event source after this. */
const MAX_RACES = 10;

const CATALOGUE_LOCK_TIMEOUT_MS = 100;

/** How often an environment asks whether the conflict log needs its partitions; the database says whether it is time. */
const KEEP_LOG_MS = 600_000;

/** Applies records in one transaction, in the way that the errors met so far ask for. Keeps what it knows of the catalogue. */
export class Applier {
  readonly #options: ApplyOptions;
  #catalogue: Catalogue | undefined;
  /** Since the last look at what is parked: this environment began, the catalogue changed. */
  #news: 'waiting' | 'archived' | undefined = 'waiting';
  #isRegistered = false;
  /** As the last batch told at its commit. */
  #leftovers: Leftovers | undefined;
  #beats: KafkaRecord[] = [];
  #arranged: Arranged | undefined;
  #keptLogMs = Number.NEGATIVE_INFINITY;

  constructor(options: ApplyOptions) {
    this.#options = options;
  }

  /** Puts records in the order of their locks before they are applied, once all that was asked to be sent is on its way. */
  async arrange(records: readonly KafkaRecord[]): Promise<void> {
    // The driver writes in the next turn of the event loop, which it asks for later than this does.
    await nextTurn();
    await nextTurn();
    if (this.#catalogue !== undefined) this.#arranged = arrange(records, this.#catalogue.tables);
  }

  /** A transaction for `apply`, which then need not ask for anything else first; undefined before the first batch. */
  beginAhead(deadline?: Deadline): Ahead | undefined {
    return this.#catalogue && beginAhead(timed(this.#options.sql, deadline));
  }

  /** Throws when the database cannot work, or time is up: the event source delivers the batch again, in order. */
  async apply(
    records: readonly KafkaRecord[],
    killers: readonly Refusal<ReasonCode>[] = [],
    deadline?: Deadline,
    ahead?: Ahead,
  ): Promise<readonly Tally[]> {
    const { topology } = this.#options;
    const sql = timed(this.#options.sql, deadline);
    const begin = beginsOf(sql, ahead);
    this.#leftovers = undefined;
    this.#beats = records.filter(isHeartbeat);
    let mode: Mode = 'together';
    for (let races = 0; ; races++) {
      const catalogue = await this.#current(sql);
      const batch = this.#batchOf(records, killers, catalogue);
      try {
        const done = await writeBatch(begin, batch, catalogue, mode, topology.limits.lockTimeoutMs);
        this.#leftovers = done.leftovers;
        return done.tallies;
      } catch (error) {
        const changed = error instanceof CatalogueChanged;
        const meaning = changed ? 'schema' : meaningOf(error).kind;
        if (meaning === 'away' || races === MAX_RACES) throw error;
        if (meaning === 'schema' || meaning === 'row') await this.#refresh(sql);
        if (meaning === 'row' || (meaning === 'schema' && !changed)) mode = 'isolated';
      }
    }
  }

  /**
   * Settles, tries parked records again, and keeps house. What fails here is left for the next batch: this one is committed.
   */
  async afterBatch(deadline?: Deadline): Promise<void> {
    if (deadline?.isOver()) return;
    const sql = timed(this.#options.sql, deadline);
    const after = 'after the batch, and the next one tries again';
    const tasks = {
      'settling or retrying parked records': () => this.#tidy(sql, deadline),
      'noting what regions run': () => this.#noteRegions(sql),
      'making partitions of the conflict log': () => this.#keepLog(sql),
    };
    for (const [name, run] of Object.entries(tasks)) {
      if (deadline?.isOver()) return;
      await run().catch((error) => this.#options.onWarning?.(`${name} failed ${after}`, error));
    }
  }

  async #tidy(sql: Sql, deadline: Deadline | undefined): Promise<void> {
    const { topology, now } = this.#options;
    const news = this.#news;
    if (news !== undefined) await wakeParked(sql, news);
    this.#news = undefined;
    const told = news === undefined ? this.#leftovers : undefined;
    const { unsettled, due } = told ?? (await readLeftovers(sql));
    if (unsettled) {
      const { tables } = await this.#current(sql);
      await settle(sql, tables, await readUnsettled(sql), topology.limits.lockTimeoutMs);
    }
    if (due) await retryParked(sql, { topology, now, deadline, catalogue: () => this.#refresh(sql) });
  }

  async #noteRegions(sql: Sql): Promise<void> {
    if (!this.#isRegistered) await registerResolver(sql);
    this.#isRegistered = true;
    await notePeers(sql, this.#beats.splice(0));
  }

  async #keepLog(sql: Sql): Promise<void> {
    if (performance.now() - this.#keptLogMs < KEEP_LOG_MS) return;
    await keepConflicts(sql, this.#options.topology.limits);
    this.#keptLogMs = performance.now();
  }

  async #current(sql: Sql): Promise<Catalogue> {
    this.#catalogue ??= await this.#readAgain(sql);
    return this.#catalogue;
  }

  /** Keeps the tables, and with them their statements, when nothing changed. */
  async #refresh(sql: Sql): Promise<Catalogue> {
    const fresh = await this.#readAgain(sql);
    if (this.#catalogue !== undefined && this.#catalogue.fingerprint !== fresh.fingerprint) this.#news = 'archived';
    if (!isDeepStrictEqual(this.#catalogue, fresh)) this.#catalogue = fresh;
    return this.#catalogue ?? fresh;
  }

  /** Some of it waits for the lock of a table. While a migration holds that, what is known has to do. */
  async #readAgain(sql: Sql): Promise<Catalogue> {
    const known = this.#catalogue;
    const reading = sql.begin(async (tx) => {
      await send(tx, `set local lock_timeout = ${CATALOGUE_LOCK_TIMEOUT_MS}`, []);
      return readCatalogue(tx);
    }) as Promise<Catalogue>;
    return reading.catch((error) => {
      if (known === undefined || sqlState(error) !== '55P03') throw error;
      return known;
    });
  }

  /**
   * What cannot be decoded is parked. A table or column that is unknown because it arrived since the catalogue was read
   * changes the catalogue's fingerprint: the batch does not commit, and comes here again under the new one.
   */
  #batchOf(records: readonly KafkaRecord[], killers: readonly Refusal<ReasonCode>[], catalogue: Catalogue): Batch {
    const { tables, rollouts } = catalogue;
    const context = { topology: this.#options.topology, tables, now: this.#options.now() };
    const refused: Refusal[] = [];
    const aside = nothingAside();
    for (const killer of killers) refuse(killer, rollouts, refused, aside);
    const decode = (slice: readonly KafkaRecord[]): Change[] =>
      sortOut(
        slice.map((record) => decodeChange(record, context)),
        catalogue,
        refused,
        aside,
      );
    const all = [...records, ...killers.map(({ record }) => record)];
    const handedOver = isInternalTopic(all[0]?.topic ?? '') ? all : [];
    const progress = handedOver.length > 0 ? [] : progressOf(all);
    const { slices } = this.#arrangedBefore(records, tables) ?? arrange(records, tables);
    return { slices: slices.values().map(decode), refused, aside, progress, handedOver };
  }

  #arrangedBefore(records: readonly KafkaRecord[], tables: Tables): Arranged | undefined {
    const arranged = this.#arranged;
    this.#arranged = undefined;
    return arranged?.records === records && arranged.tables === tables ? arranged : undefined;
  }
}

type Arranged = {
  readonly records: readonly KafkaRecord[];
  readonly tables: Tables;
  readonly slices: readonly (readonly KafkaRecord[])[];
};

function arrange(records: readonly KafkaRecord[], tables: Tables): Arranged {
  const changes = records.filter((record) => !isHeartbeat(record));
  return { records, tables, slices: slicesOf(changes, tables) };
}
