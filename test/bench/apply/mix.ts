import { bodyOf, SOURCE, values } from '../users-table.ts';

/** What a run changes, the same for every contestant: shares of all changes. What is neither update nor delete is an insert. */
export type Mix = {
  readonly updates: number;
  readonly deletes?: number;
  /** This share of the updates goes to so many rows, the first ones; the others to any row. */
  readonly hot?: { readonly share: number; readonly rows: number };
  /** Rows with texts of 4 kB and 20 kB out of line; half of the updates write both, half neither. */
  readonly wide?: boolean;
};

export const UPDATE_70: Mix = { updates: 0.7 };

/** Half of the updates of wide rows. */
export const BODY_SHARE = 0.5;

export type Changes = {
  /** Rows 1 … `rows` stand in the table, but for deleted ones. */
  readonly rows: number;
  readonly changes: number;
  readonly transactionRows: number;
  /** Default UPDATE_70. */
  readonly mix?: Mix;
};

const STAMP = `clock_timestamp(), '${SOURCE}', txid_current(), jsonb_build_object('${SOURCE}', (extract(epoch from clock_timestamp()) * 1e6)::int8), true`;
const COLUMNS = 'tenant_id, email, name, status, qty, price, payload, active, note, born, created_at';
const STAMPS = '_version, _last_updated, _source_region, _tx_id, _version_vector, _local';
const COUNT = 'get diagnostics n = row_count; written := written + n;';
/** Where a session finds how many rows its changes were: an id drawn twice, or one that is gone, is not changed again. */
export const WRITTEN = 'bench.written';

/** The statement that writes the changes of a mix, in transactions that it commits itself. Inserts come last in each. */
export function changesSql({ rows, changes, transactionRows, mix = UPDATE_70 }: Changes): string {
  const { updates, deletes = 0, hot = { share: 0, rows: 0 }, wide = false } = mix;
  // The fraction is made up by chance, so that a transaction of one row has one change as well.
  const countOf = (share: number): string => `floor(${transactionRows * share} + random())::int`;
  const anyIds = (count: string): string =>
    `array(select 1 + floor(random() * ${rows})::bigint from generate_series(1, ${count}))`;
  const hotIds = `array(select id from generate_series(1::bigint, ${hot.rows}) id order by random() limit hot)`;
  const update = wide
    ? `${updateOf('ids[:updates / 2]', true)} ${updateOf('ids[updates / 2 + 1:]', false)}`
    : updateOf('ids', false);
  return /* sql */ `do $$
    declare next bigint := (select max(id) + 1 from users); written int := 0; n int; ids bigint[];
      updates int; deletes int; inserts int; hot int;
    begin
      for k in 1..${Math.ceil(changes / transactionRows)} loop
        updates := ${countOf(updates)};
        deletes := least(${transactionRows} - updates, ${countOf(deletes)});
        inserts := ${transactionRows} - updates - deletes;
        hot := least(round(updates * ${hot.share}), ${hot.rows});
        if updates > 0 then
          ids := ${hot.rows > 0 ? `${hotIds} || ` : ''}${anyIds('updates - hot')};
          ${update}
        end if;
        if deletes > 0 then
          delete from users where id = any(${anyIds('deletes')}); ${COUNT}
        end if;
        if inserts > 0 then
          insert into users select i, ${values('i', 'k')}, ${wide ? 'small, large, ' : ''}1, ${STAMP}
          from generate_series(next, next + inserts - 1) i ${wide ? `join bodies b on b.n = ${bodyOf('i', 'k')}` : ''}; ${COUNT}
          next := next + inserts;
        end if;
        commit;
      end loop;
      perform set_config('${WRITTEN}', written::text, false);
    end $$`;
}

function updateOf(ids: string, bodies: boolean): string {
  const from = bodies ? ` from bodies b where b.n = ${bodyOf('users.id', 'k')}` : '';
  return `update users set (${COLUMNS}, ${bodies ? 'small, large, ' : ''}${STAMPS}) = (
    select ${values('users.id', 'k')}, ${bodies ? 'b.small, b.large, ' : ''}_version + 1, ${STAMP}${from})
    where id = any(${ids}); ${COUNT}`;
}
