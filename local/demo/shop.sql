-- A small shop. Nothing here knows of Concord.

create table users (
  id serial primary key,
  username text not null,
  email text not null unique,
  full_name text,
  avatar_url text,
  status text not null default 'active',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table products (
  id serial primary key,
  name text not null,
  description text,
  price numeric(10, 2) not null check (price >= 0),
  category text,
  tags text[] not null default '{}',
  inventory_count bigint not null default 0,
  is_active boolean not null default true,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table orders (
  id serial primary key,
  user_id integer not null references users on delete cascade,
  status text not null default 'pending',
  total_amount numeric(12, 2) not null,
  shipping_address jsonb,
  items jsonb not null default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on orders (user_id);

create function touch() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end $$;

create trigger touch before update on users for each row execute function touch();
create trigger touch before update on products for each row execute function touch();
create trigger touch before update on orders for each row execute function touch();

-- Rows that were there before Concord came; everybody will fight over them.
insert into users (username, email, full_name)
select 'user_' || n, 'user' || n || '@shop.example', 'User ' || n from generate_series(1, 20) n;
insert into products (name, price, category, tags, inventory_count, metadata)
select 'Product ' || n, n * 9.99, 'classics', array['hot', 'n' || n], 1000, jsonb_build_object('shelf', n) from generate_series(1, 20) n;
insert into orders (user_id, total_amount, items)
select n, n * 19.98, jsonb_build_array(jsonb_build_object('product', n, 'quantity', 2)) from generate_series(1, 20) n;

create role shop login;
grant select, insert, update, delete on users, products, orders to shop;
grant usage on all sequences in schema public to shop;
