/** One statement of the application, and how many changes it makes at least: rows written, tombstones included. */
export type Write = { readonly sql: string; readonly changes: number };

/** What an application does all day; `side` is 0 or 1, so that the two regions never touch the same row here. */
export const everydayWrites = (side: 0 | 1): readonly Write[] => {
  const first = 1 + 10 * side;
  return [
    {
      sql: `insert into users (username, email, full_name)
        select 'probe_${side}_' || n, 'probe.${side}.' || n || '@shop.example', 'Probe ' || n from generate_series(1, 30) n`,
      changes: 30,
    },
    {
      sql: `insert into products (name, price, category, tags, metadata)
        select 'Probe ${side} ' || n, n * 1.25, 'books', array['probe', null, 'ä"\\'], jsonb_build_object('n', n)
        from generate_series(1, 20) n`,
      changes: 20,
    },
    {
      sql: `insert into orders (user_id, total_amount, items)
        select id, 12.50, '[]' from users where id between ${first} and ${first + 4}`,
      changes: 5,
    },
    { sql: `update products set price = price + 1 where id between ${first} and ${first + 6}`, changes: 7 },
    // Two rows of children go with the parent: its first order and the one from above.
    { sql: `delete from users where id = ${first}`, changes: 3 },
    { sql: `delete from products where id = ${first + 8}`, changes: 1 },
    { sql: `insert into products (id, name, price) values (${first + 8}, 'Back again', 1)`, changes: 1 },
  ];
};

/** Rows that both regions change at the same time: whoever wins, the other's version is a conflict. */
export const CONTESTED = [8, 18] as const;
export const contestedWrite = (side: 0 | 1): Write => ({
  sql: `update products set name = 'Contested by ${side}', price = price + ${1 + side} where id in (${CONTESTED.join(', ')})`,
  changes: CONTESTED.length,
});

/** One row, again and again, while something happens. */
export const tick = (side: 0 | 1, n: number): Write => ({
  sql: `update products set inventory_count = ${n} where id = ${10 + 10 * side}`,
  changes: 1,
});
