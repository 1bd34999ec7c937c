import type { RegionState, TableState } from '@concord/events';
import { regionName } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { collect } from '../../functions/digest/collect.ts';
import { horizonOf } from '../../functions/reconcile/horizon.ts';
import type { Random } from '../simulation/random.ts';
import { localVersions, type Message } from './records.ts';
import type { Region } from './regions.ts';

/** What stands in a region's log: a change, or a heartbeat with the closed timestamp of that moment. */
type Entry = { readonly message: Message } | { readonly closedUs: number };

export type Member = {
  readonly region: Region;
  readonly app: Sql;
  readonly operator: Sql;
  readonly log: Entry[];
  /** By source: how many entries were delivered, and the last closed timestamp among them. */
  readonly delivered: Map<string, { position: number; closedUs: number }>;
};

/**
 * Regions with one table, their logs, and runs that collect its tombstones. Changes and heartbeats are delivered when a test says so;
 * the horizon is what reconciliation would publish.
 */
export class CollectingRegions {
  readonly members: readonly Member[];
  readonly #table: string;
  readonly #random: Random;
  #before: Record<string, RegionState> | undefined;
  collected = 0;

  constructor(regions: readonly Region[], table: string, random: Random) {
    this.#table = table;
    this.#random = random;
    this.members = regions.map((region) => ({
      region,
      app: region.session().sql,
      operator: region.database.connect({ user: 'concord_operator' }),
      log: [],
      delivered: new Map(),
    }));
  }

  /** One statement of the application about one key, and the record that it leaves. */
  async write(member: Member, statement: string, key: number): Promise<void> {
    const before = new Set(
      (await localVersions(member.region.sql, this.#table, `id = ${key}`)).map(({ value }) => value),
    );
    await member.app.unsafe(statement);
    const after = await localVersions(member.region.sql, this.#table, `id = ${key}`);
    member.log.push(...after.filter(({ value }) => !before.has(value)).map((message) => ({ message })));
  }

  async beat({ region, log }: Member): Promise<void> {
    await region.sql`select concord.beat()`;
    await region.sql`select concord.beat()`;
    log.push({ closedUs: await closedOf(region.sql) });
  }

  /** The next so many entries of another region's log. */
  async deliver(from: Member, to: Member, entries: number): Promise<void> {
    const at = to.delivered.get(from.region.name) ?? { position: 0, closedUs: 0 };
    const next = from.log.slice(at.position, at.position + entries);
    const messages = next.flatMap((entry) => ('message' in entry ? [entry.message] : []));
    if (messages.length > 0) await to.region.receive(from.region.name, ...messages);
    const closedUs = next.reduce((closed, entry) => ('closedUs' in entry ? entry.closedUs : closed), at.closedUs);
    to.delivered.set(from.region.name, { position: at.position + next.length, closedUs });
  }

  async deliverAll(): Promise<void> {
    for (const from of this.members)
      for (const to of this.members) if (from !== to) await this.deliver(from, to, Number.POSITIVE_INFINITY);
  }

  /** A run begins. */
  async plan(): Promise<void> {
    this.#before = await this.#states();
  }

  /** A night: all that was written arrives, and a run goes through. */
  async night(): Promise<void> {
    for (const member of this.members) await this.beat(member);
    await this.deliverAll();
    await this.plan();
    for (const member of this.members) await this.beat(member);
    await this.deliverAll();
    await this.end();
  }

  /** It ends: nothing was lost, so what differs is in flight. Now and then a region does not hear of it, or has no time for all. */
  async end(hears = 0.8): Promise<void> {
    if (this.#before === undefined) return;
    const horizonUs = horizonOf({
      ...{ table: this.#table, regions: this.members.map(({ region }) => region.name), partitions: 1 },
      ...{ states: await this.#states(), before: this.#before, verdict: 'in_flight' },
      asOfUs: Math.min(...Object.values(this.#before).map(({ closedUs }) => closedUs)),
    });
    this.#before = undefined;
    for (const { operator } of this.members) {
      if (!this.#random.chance(hears)) continue;
      const answer = await collect(operator, {
        table: this.#table,
        horizonUs,
        limit: hears < 1 ? this.#random.pick([1, 3, 1000]) : 1000,
      });
      this.collected += answer.collected;
    }
  }

  /** Everything that was ever written, or a share of it, delivered to all others once more, in any order and any batches. */
  async replay(share = 1): Promise<void> {
    const all = this.members.flatMap((from) =>
      from.log.flatMap((entry) => ('message' in entry ? [{ from: from.region.name, message: entry.message }] : [])),
    );
    for (const { region } of this.members) {
      let rest = this.#random.shuffled(all.filter(({ from }) => from !== region.name && this.#random.chance(share)));
      while (rest.length > 0) {
        const size = this.#random.between(1, 9);
        const batches = Map.groupBy(rest.slice(0, size), ({ from }) => from);
        for (const [from, messages] of batches) await region.receive(from, ...messages.map(({ message }) => message));
        rest = rest.slice(size);
      }
      await region.settle();
    }
  }

  /** Of each region: its rows, complete, but for what is not part of a version. */
  async contents(): Promise<string[]> {
    return Promise.all(
      this.members.map(async ({ region }) => {
        const rows = await region.sql.unsafe(
          `select (to_jsonb(t) - '_local')::text as row from ${this.#table} t order by id`,
        );
        return rows.map(({ row }) => row).join('\n');
      }),
    );
  }

  async #states(): Promise<Record<string, RegionState>> {
    const states = await Promise.all(this.members.map((member) => this.#stateOf(member)));
    return Object.fromEntries(states.map((state) => [regionName(state.region), state]));
  }

  async #stateOf({ region, delivered }: Member): Promise<RegionState> {
    const applied = Object.fromEntries(
      this.members
        .filter((other) => other.region !== region)
        .map((other) => [other.region.name, [delivered.get(other.region.name)?.closedUs ?? 0]]),
    );
    return {
      ...{ region: region.name, server: '', topology: '', selfTest: '', suspended: null },
      closedUs: await closedOf(region.sql),
      applied,
      tables: { [this.#table]: await this.#tableOf(region.sql) },
    };
  }

  async #tableOf(sql: Sql): Promise<TableState> {
    const [row] = await sql<{ horizon: string; lattice: boolean }[]>`
      select (extract(epoch from greatest(horizon, 'epoch')) * 1000000)::int8::text as horizon,
        exists (select from pg_attribute where attrelid = ${this.#table}::regclass and attname = '_incarnation') as lattice
      from concord.enrolled_table where table_name = ${this.#table}`;
    return {
      ...{ rollout: 'live', lattice: row?.lattice ?? false, key: ['id'], columns: [], rows: 0 },
      ...{ horizonUs: Number(row?.horizon), unsettled: 0, parked: 0, oldestParkedUs: null, held: 0 },
    };
  }
}

async function closedOf(sql: Sql): Promise<number> {
  const [row] = await sql<{ closed: string }[]>`
    select (extract(epoch from max(closed_at)) * 1000000)::int8::text as closed from concord.heartbeat`;
  return Number(row?.closed);
}
