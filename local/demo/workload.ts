import type { Draw } from './draw.ts';

/** One statement of the shop, with its parameters. */
export type Statement = { readonly sql: string; readonly parameters: readonly (string | number)[] };

type Write = { readonly weight: number; readonly make: (draw: Draw) => Statement };

const STATUSES = ['pending', 'paid', 'shipped', 'delivered', 'returned'] as const;
const CATEGORIES = ['books', 'games', 'garden', 'kitchen'] as const;
const CITIES = ['Graz', 'Lima', '東京', 'Perth'] as const;
const NAMES = ['Ada', 'Grace', 'Käthe', '美咲'] as const;

const statement = (sql: string, ...parameters: (string | number)[]): Statement => ({ sql, parameters });

/** Unique values are made from ids, which no two regions share, so that no two rows ever want the same one. */
const newUsers = (draw: Draw): Statement =>
  statement(
    `insert into users (id, username, email, full_name, avatar_url)
     select id, 'user_' || id, 'user' || id || '@shop.example', $2::text || ' ' || id, 'https://shop.example/a/' || id
     from (select nextval('users_id_seq')::int as id from generate_series(1, $1::int)) new`,
    draw.issue('users', draw.random.between(1, 30)),
    draw.random.pick(NAMES),
  );

const newProducts = (draw: Draw): Statement =>
  statement(
    `insert into products (name, description, price, category, tags, inventory_count, metadata)
     select 'Product ' || n, repeat($2::text || ' ', n * 3), $3::numeric, $2::text, array[$2::text, 'lot ' || n], 100,
       jsonb_build_object('weight', n, 'lot', $3::text) from generate_series(1, $1::int) n`,
    draw.issue('products', draw.random.between(1, 20)),
    draw.random.pick(CATEGORIES),
    draw.price(),
  );

/** For customers who are there: an order of somebody who has left would be refused by the foreign key. */
const newOrders = (draw: Draw): Statement => {
  draw.issue('orders', 2);
  return statement(
    `insert into orders (user_id, total_amount, shipping_address, items)
     select id, $3::numeric, jsonb_build_object('city', $4::text), jsonb_build_array(jsonb_build_object('product', $2::int))
     from users where id in ($1::int, $2::int)`,
    draw.hotId(),
    draw.anyId('users'),
    draw.price(),
    draw.random.pick(CITIES),
  );
};

/** A run of orders of one region. */
const moveOrders = (draw: Draw): Statement =>
  statement(
    `update orders set status = $2::text where id between $1::int and $1::int + 20 * $3::int and id % $3::int = $1::int % $3::int`,
    draw.anyId('orders'),
    draw.random.pick(STATUSES),
    draw.stride,
  );

const sellProduct = (draw: Draw): Statement =>
  statement(
    `update products set inventory_count = inventory_count - $2::int, is_active = inventory_count > $2::int where id = $1::int`,
    draw.anyId('products'),
    draw.random.between(1, 3),
  );

const renameUser = (draw: Draw): Statement =>
  statement(
    `update users set full_name = $2::text where id = $1::int`,
    draw.anyId('users'),
    `${draw.random.pick(NAMES)} ${draw.random.between(1, 999)}`,
  );

const priceHotProduct = (draw: Draw): Statement =>
  statement(
    `update products set price = $2::numeric, metadata = metadata || jsonb_build_object('priced_by', $3::int) where id = $1::int`,
    draw.hotId(),
    draw.price(),
    draw.slot,
  );

const touchHotUser = (draw: Draw): Statement =>
  statement(
    `update users set status = $2::text where id = $1::int`,
    draw.hotId(),
    draw.random.pick(['active', 'away', 'asleep']),
  );

const dropHotProduct = (draw: Draw): Statement => statement(`delete from products where id = $1::int`, draw.hotId());

const bringBackHotProduct = (draw: Draw): Statement =>
  statement(
    `insert into products (id, name, price, category) values ($1::int, 'Back again', $2::numeric, 'classics') on conflict (id) do nothing`,
    draw.hotId(),
    draw.price(),
  );

const dropOrder = (draw: Draw): Statement => statement(`delete from orders where id = $1::int`, draw.anyId('orders'));

/** Takes the customer's orders along: the foreign key cascades, here and only here. */
const userLeaves = (draw: Draw): Statement => {
  const id = draw.ownId('users');
  draw.left.push(id);
  return statement(`delete from users where id = $1::int`, id);
};

const userComesBack = (draw: Draw): Statement => {
  const id = draw.left.pop();
  if (id === undefined) return renameUser(draw);
  return statement(
    `insert into users (id, username, email, full_name)
     select n, 'user_' || n, 'user' || n || '@shop.example', 'Back again' from (select $1::int as n) back on conflict (id) do nothing`,
    id,
  );
};

/** A shop's day: orders come in, stock goes down, prices change, customers leave and come back. */
const WRITES: readonly Write[] = [
  { weight: 12, make: newUsers },
  { weight: 8, make: newProducts },
  { weight: 22, make: newOrders },
  { weight: 16, make: moveOrders },
  { weight: 14, make: sellProduct },
  { weight: 8, make: renameUser },
  { weight: 9, make: priceHotProduct },
  { weight: 5, make: touchHotUser },
  { weight: 2, make: dropHotProduct },
  { weight: 3, make: bringBackHotProduct },
  { weight: 4, make: dropOrder },
  { weight: 2, make: userLeaves },
  { weight: 2, make: userComesBack },
];
const TOTAL = WRITES.reduce((sum, { weight }) => sum + weight, 0);

/** The next write of a region's clients. */
export function nextWrite(draw: Draw): Statement {
  let at = draw.random.next() * TOTAL;
  const chosen = WRITES.find(({ weight }) => {
    at -= weight;
    return at < 0;
  });
  return (chosen?.make ?? renameUser)(draw);
}
