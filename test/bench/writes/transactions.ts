import { type Sql, send } from '@concord/runtime';
import { HERE, values } from '../users-table.ts';
import type { Transaction } from './slices.ts';
import { BRANCHES, TELLERS, type Variant } from './tables.ts';

export const KINDS = ['insert', 'update', 'delete', 'tpcb'] as const;
export type Kind = (typeof KINDS)[number];

/** The one-row transactions of an application on one schema's tables, and a check that they did what they were counted for. */
export type Application = {
  readonly run: Readonly<Record<Kind, Transaction>>;
  /** Throws where the tables hold anything but what was written. */
  check(sql: Sql): Promise<void>;
};

const oneOf = (count: number): number => 1 + Math.floor(Math.random() * count);

/** Deletes take what inserts have written, oldest first, so that tables keep their size. */
export function applicationOf(variant: Variant, rows: number): Application {
  const { schema } = variant;
  const done: Record<Kind, number> = { insert: 0, update: 0, delete: 0, tpcb: 0 };
  let nextId = rows + 1;
  let nextDeleted = nextId;
  let inserted = nextId;
  let nextHistory = 1;
  const insert = `insert into ${schema}.users select i, ${values('i', '1')} from (select $1::bigint as i) i`;
  const update = `update ${schema}.users set name = 'Name ' || md5(clock_timestamp()::text), qty = qty + 1 where id = $1::bigint`;
  return {
    run: {
      async insert(sql) {
        await send(sql, insert, [nextId++]);
        done.insert++;
        return true;
      },
      async update(sql) {
        await send(sql, update, [oneOf(rows)]);
        done.update++;
        return true;
      },
      async delete(sql) {
        if (nextDeleted === inserted) inserted = nextId;
        if (nextDeleted === inserted) return false;
        await send(sql, `delete from ${schema}.users where id = $1::bigint`, [nextDeleted++]);
        done.delete++;
        return true;
      },
      async tpcb(sql) {
        await tpcb(sql, schema, rows, nextHistory++);
        done.tpcb++;
        return true;
      },
    },
    async check(sql) {
      const [found] = await sql.unsafe<Record<string, string>[]>(
        variant.rule === null ? CHECK(schema, rows) : `${CHECK_STAMPS(schema, rows)}`,
      );
      const expected = expectedOf(done, rows);
      for (const [name, value] of Object.entries(found ?? { nothing: 'was found' }))
        if (Number(value) !== expected[name])
          throw new Error(`${schema}: ${name} is ${value}, but it must be ${expected[name]}`);
    },
  };
}

/** As pgbench's: seven statements, each waited for. */
async function tpcb(sql: Sql, schema: string, rows: number, hid: number): Promise<void> {
  // Never 0: an update that changes nothing is no write.
  const delta = oneOf(5000) * (Math.random() < 0.5 ? -1 : 1);
  const [aid, tid, bid] = [oneOf(rows), oneOf(TELLERS), oneOf(BRANCHES)];
  await send(sql, 'begin', []);
  await send(sql, `update ${schema}.accounts set abalance = abalance + $1::int where aid = $2::int`, [delta, aid]);
  await send(sql, `select abalance from ${schema}.accounts where aid = $1::int`, [aid]);
  await send(sql, `update ${schema}.tellers set tbalance = tbalance + $1::int where tid = $2::int`, [delta, tid]);
  await send(sql, `update ${schema}.branches set bbalance = bbalance + $1::int where bid = $2::int`, [delta, bid]);
  await send(
    sql,
    `insert into ${schema}.history (hid, tid, bid, aid, delta, mtime) values ($1::bigint, $2::int, $3::int, $4::int, $5::int, current_timestamp)`,
    [hid, tid, bid, aid, delta],
  );
  await send(sql, 'commit', []);
}

const expectedOf = (done: Readonly<Record<Kind, number>>, rows: number): Readonly<Record<string, number>> => ({
  others: done.insert - done.delete,
  users: rows,
  increments: done.update,
  history: done.tpcb,
  unbalanced: 0,
  updates: done.update,
  stamped: done.insert - done.delete,
  tombstones: done.delete,
  balance_updates: 3 * done.tpcb,
});

/** `others`: users that were inserted; `increments`: by how much `qty` has grown since `values` made it. */
const CHECK = (schema: string, rows: number): string => /* sql */ `
select (select count(*) from ${schema}.users where id > ${rows}) as others, (select count(*) from ${schema}.users where id between 1 and ${rows}) as users,
  (select sum(qty) - sum(id % 1000) from ${schema}.users where id between 1 and ${rows}) as increments,
  (select count(*) from ${schema}.history) as history,
  (select abs(h.sum - a.sum) + abs(h.sum - t.sum) + abs(h.sum - b.sum) from (select coalesce(sum(delta), 0) as sum from ${schema}.history) h,
    (select sum(abalance) from ${schema}.accounts) a, (select sum(tbalance) from ${schema}.tellers) t, (select sum(bbalance) from ${schema}.branches) b) as unbalanced`;

/** Each write has made one version of one row, of this region. */
const CHECK_STAMPS = (schema: string, rows: number): string => /* sql */ `${CHECK(schema, rows)},
  (select sum(_version - 1) from ${schema}.users where id between 1 and ${rows}) as updates,
  (select count(*) from ${schema}.users where id > ${rows} and _local and _source_region = '${HERE}' and _version_vector ? '${HERE}') as stamped,
  (select count(*) from concord_${schema}.users where id > ${rows} and _local) as tombstones,
  (select sum(_version - 1) from (select _version from ${schema}.accounts union all select _version from ${schema}.tellers
    union all select _version from ${schema}.branches) v) as balance_updates`;
