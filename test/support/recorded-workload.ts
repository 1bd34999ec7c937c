import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Sql } from '@concord/runtime';
import { FILL_ODD_TABLES, ODD_KEYS, ODD_SCHEMA } from './odd-tables.ts';
import type { Region } from './regions.ts';
import type { Keys } from './states.ts';
import { FILL_TYPE_TABLES, TYPE_TABLES, TYPE_TABLES_SCHEMA } from './types-tables.ts';
import { HOUR_AGO, versionMessage } from './versions.ts';

/** Of the one transaction that is large. */
const LARGE_ROWS = 20_000;
/** Wide enough to be stored out of line, uncompressed. */
const WIDE = `repeat('0123456789', 2000)`;

export const WORKLOAD_SCHEMA = `${TYPE_TABLES_SCHEMA}
${ODD_SCHEMA}
create table items (id int primary key, label text, wide text, doc jsonb, amount numeric(12,2) default 1.50, active boolean default true,
  shout text generated always as (upper(label)) stored);
alter table items alter wide set storage external;
create table pairs (a text, b numeric, value float8, note text, primary key (b, a));
create table parts (id int, area text, note text, primary key (id, area)) partition by list (area);
create table parts_north partition of parts for values in ('n'); create table parts_rest partition of parts default;
create table bulk (id bigint primary key, body text);`;

/** All tables of the workload with the columns of their keys. */
export const WORKLOAD_KEYS: Keys = {
  'public.items': ['id'],
  'public.pairs': ['b', 'a'],
  'public.parts': ['id', 'area'],
  'public.bulk': ['id'],
  ...ODD_KEYS,
  ...Object.fromEntries(TYPE_TABLES.map((table) => [table, ['id']])),
};

/** What happens between two changes of the schema. */
export type Phase = {
  /** Run in every region before anything of this phase is written or applied there. */
  readonly ddl: string;
  readonly write: (source: Region, other: string) => Promise<void>;
};

const STATEMENTS: readonly string[] = [
  `insert into items (id, label, wide, doc) values (1, 'one', ${WIDE}, '{"a": 1.50}'), (2, 'two', ${WIDE}, null), (3, null, null, '[]')`,
  `update items set label = 'unchanged wide' where id in (1, 2)`,
  'update items set label = label, wide = wide',
  `update items set wide = wide || 'x' where id = 2`,
  'update items set id = 10 where id = 1',
  `update items set id = 11, label = 'moved and changed', active = null where id = 10`,
  'delete from items where id in (3, 11)',
  `insert into items (id, label) values (3, 'again'), (11, 'again')`,
  `insert into items (id, label) values (3, 'upserted'), (4, 'new') on conflict (id) do update set label = excluded.label, wide = 'w'`,
  `insert into items (id, label) values (3, 'nothing') on conflict do nothing`,
  `insert into items (id, label) values (5, 'all defaults are NULL') returning id`,
  'update items set amount = null, active = null, doc = null where id = 5',
  `merge into items t using (values (4, 'merged'), (6, 'merged in')) v (id, label) on t.id = v.id
     when matched then update set label = v.label when not matched then insert (id, label) values (v.id, v.label)`,
  `with gone as (delete from items where id = 6 returning *) insert into items (id, label) select id + 60, label from gone`,
  'begin; commit',
  'begin; select 1; rollback',
  `begin; insert into items (id, label) values (20, 'rolled back'); rollback`,
  `begin; insert into items (id, label) values (21, 'stays'); savepoint a; update items set label = 'undone' where id = 21;
     insert into items (id, label) values (22, 'undone'); rollback to a; insert into items (id, label) values (23, 'after'); savepoint b;
     update items set label = 'released' where id = 23; release b; delete from items where id = 21; commit`,
  `do $$ begin
     for n in 30..34 loop
       begin insert into items (id, label) values (n, 'subtransaction'); if n % 2 = 0 then raise 'undone'; end if;
       exception when raise_exception then insert into items (id, label) values (n + 100, 'handled'); end;
     end loop; end $$`,
  `begin; insert into items (id, label) values (40, 'first'); update items set label = 'second' where id = 40;
     delete from items where id = 40; insert into items (id, label) values (40, 'third'); update items set id = 41 where id = 40; commit`,
  `insert into pairs values ('a "q"', 1.5, 'NaN', 'n'), ('ü', 1.50, -0.0, null), ('', 100, 1e21, ''), ('', 'NaN', 'Infinity', ' ')`,
  `update pairs set b = 1.50, value = 0.1 + 0.2 where a = 'a "q"'`,
  `update pairs set a = 'b' where b = 100`,
  `delete from pairs where b = 'NaN'`,
  `insert into parts values (1, 'n', 'moves'), (2, 's', 'stays'), (3, 'n', 'goes')`,
  `update parts set area = 's' where id = 1`,
  `update parts set area = 'n', note = 'back' where id = 1`,
  `update parts set note = 'updated' where area = 's'`,
  'delete from parts where id = 3',
  `begin; insert into bulk select id, 'body ' || id from generate_series(1, ${LARGE_ROWS}) id; update bulk set body = 'updated' where id % 100 = 0;
     delete from bulk where id % 1000 = 1; commit`,
];

async function writeStatements(source: Region): Promise<void> {
  const application = source.database.connect();
  for (const statement of STATEMENTS) await application.unsafe(statement).simple();
  await application.unsafe(FILL_TYPE_TABLES).simple();
  await application.unsafe(FILL_ODD_TABLES).simple();
  await copyIn(application);
  await interleave(source);
  await application.end();
}

async function copyIn(sql: Sql): Promise<void> {
  const lines = Array.from(
    { length: 500 },
    (_, n) => `${1000 + n}\tcopied \\\\ ${n}\t${n % 2 ? '\\N' : 'x'.repeat(3000)}\n`,
  );
  await pipeline(Readable.from(lines), await sql`copy items (id, label, wide) from stdin`.writable());
}

/** Two transactions whose writes alternate; the one that began first commits last. */
async function interleave(source: Region): Promise<void> {
  const [early, late] = [source.session('postgres'), source.session('postgres')];
  await early.begin();
  await early.run(`insert into items (id, label) values (50, 'early')`);
  await late.begin();
  await late.run(`insert into items (id, label) values (51, 'late')`);
  await early.run(`update items set label = 'early again' where id = 50`);
  await late.run(`update items set label = 'late again' where id = 51; insert into pairs values ('late', 7, 1, null)`);
  await early.run(`insert into pairs values ('early', 7, 1, null)`);
  await late.commit();
  await early.run(`update items set label = 'early, after late' where id = 51`);
  await early.commit();
}

/** Versions that another region wrote: rows that are here, a row that is not, and a delete. */
export const foreignVersions = (other: string): ReturnType<typeof versionMessage>[] => {
  const later = HOUR_AGO + 3_900_000_000;
  const item = (id: number, stamp: number, label: string) => ({
    ...{ table: 'public.items', region: other, stamp, key: { id: String(id) } },
    columns: { label, wide: null, doc: null, amount: '9.00', active: 'f' },
  });
  return [
    item(200, HOUR_AGO, 'applied'),
    item(201, HOUR_AGO, 'applied, then written here'),
    item(51, later, 'applied over a local row'),
    { ...item(23, later, 'deleted elsewhere'), kind: 'tombstone' as const },
  ].map(versionMessage);
};

export const PHASES: readonly Phase[] = [
  {
    ddl: '',
    write: async (source, other) => {
      await writeStatements(source);
      await source.receive(other, ...foreignVersions(other));
      await source.sql`update items set label = 'local again' where id = 201`;
    },
  },
  {
    ddl: `alter table items add column added text default 'constant', add column "Added 2" int[] default '{1,NULL}';
      alter table items rename column label to "Label"; alter table parts add column grade int not null default 3`,
    write: async ({ sql }) => {
      await sql`update items set "Label" = 'after rename' where id in (2, 3, 201)`;
      await sql`insert into items (id, added, "Added 2") values (300, null, null), (301, 'given', '{}')`;
      await sql`insert into items (id) values (302)`;
      await sql`delete from items where id = 4`;
      await sql`update parts set note = 'graded' where id = 2`;
      await sql`insert into parts values (4, 'n', 'new', 4)`;
    },
  },
  {
    ddl: `alter table items drop column doc, drop column added; alter table pairs alter column note set default 'later'; alter table bulk add column doc json`,
    write: async ({ sql }) => {
      await sql`update items set amount = 2 where id in (300, 301)`;
      await sql`insert into items (id, "Label") values (303, 'without doc')`;
      await sql`delete from items where id = 302`;
      await sql`update bulk set doc = '{"a":  1}' where id between 5 and 9`;
      await sql`insert into pairs (a, b) values ('default', 8)`;
    },
  },
];
