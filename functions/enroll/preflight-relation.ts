import type { Topology } from '@concord/events';
import { type Db, rowsOf, type Table } from '@concord/runtime';
import { TRIGGERS } from './names.ts';
import type { Finding } from './preflight.ts';

type Relation = {
  persistence: string;
  partition: boolean;
  foreign_partitions: string[];
  restrictive: string[];
  forced_security: boolean;
  inherits: boolean;
  deferrable_key: boolean;
  rules: string[];
  exclusions: string[];
  outside: string[];
  subscribed: boolean;
  owned: boolean;
};
type Trigger = { name: string; on: string; before: boolean; for_row: boolean; enabled: string };

const RELATION = /* sql */ `
select coalesce((select 'u' from pg_partition_tree(c.oid) p join pg_class k on k.oid = p.relid where k.relpersistence = 'u' limit 1),
    c.relpersistence::text) as persistence,
  c.relispartition as partition,
  to_json(array(select k.oid::regclass::text from pg_partition_tree(c.oid) p join pg_class k on k.oid = p.relid where k.relkind = 'f')) as foreign_partitions,
  to_json(array(select polname::text from pg_policy where polrelid = c.oid and not polpermissive and c.relrowsecurity
    and (polroles = '{0}' or to_regrole('concord_apply') = any(polroles)))) as restrictive,
  c.relforcerowsecurity and c.relrowsecurity and not (select o.rolsuper or o.rolbypassrls from pg_roles o where o.oid = c.relowner) as forced_security,
  exists (select from pg_inherits i join pg_class k on k.oid = i.inhrelid where not k.relispartition and c.oid in (i.inhrelid, i.inhparent)) as inherits,
  exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary and not i.indimmediate) as deferrable_key,
  to_json(array(select rulename::text from pg_rewrite where ev_class = c.oid
    or ev_class in (select relid from pg_partition_tree(c.oid)))) as rules,
  to_json(array(select distinct conname::text from pg_constraint where conexclop is not null
    and (conrelid = c.oid or conrelid in (select relid from pg_partition_tree(c.oid))) order by 1)) as exclusions,
  to_json(array(select distinct f.confrelid::regclass::text from pg_constraint f join pg_class p on p.oid = f.confrelid
    join pg_namespace pn on pn.oid = p.relnamespace
    where f.conrelid = c.oid and f.contype = 'f' and not (pn.nspname || '.' || p.relname = any($2::text[])))) as outside,
  exists (select from pg_subscription_rel where srrelid = c.oid) as subscribed,
  pg_has_role(c.relowner, 'usage') as owned
from pg_class c where c.oid = $1::text::regclass`;

/** Also those that only a partition has. */
const USER_TRIGGERS = /* sql */ `
select tgname::text as name, tgrelid::regclass::text as "on", (tgtype & 2) <> 0 as before, (tgtype & 1) <> 0 as for_row,
  tgenabled::text as enabled
from pg_trigger where not tgisinternal and tgparentid = 0 and not (tgname = any($2::text[]))
  and (tgrelid = $1::text::regclass or tgrelid in (select relid from pg_partition_tree($1::text::regclass)))`;

/** What kind of relation it is, its constraints, rules and triggers. */
export async function checkRelation(db: Db, table: Table, topology: Topology): Promise<Finding[]> {
  const enrolled = `{${topology.tables.map((entry) => JSON.stringify(entry.name)).join(',')}}`;
  const [relation] = await db.unsafe<Relation[]>(RELATION, [rowsOf(table), enrolled]);
  if (relation === undefined) return [];
  const triggers = await db.unsafe<Trigger[]>(USER_TRIGGERS, [
    rowsOf(table),
    `{${Object.values(TRIGGERS)
      .map((name) => JSON.stringify(name))
      .join(',')}}`,
  ]);
  return [
    ...refusals(table, relation),
    ...triggers.flatMap((trigger) => checkTrigger(table, trigger)),
    ...warnings(table, relation),
  ];
}

function refusals(table: Table, relation: Relation): Finding[] {
  const checks: readonly (readonly [bad: boolean, code: string, reason: string, hint: string])[] = [
    [table.key.length === 0, 'no_primary_key', 'the table has no primary key', 'add one: rows are compared by it'],
    [
      relation.deferrable_key,
      'deferrable_key',
      'the primary key is deferrable',
      'ON CONFLICT cannot use it; make it not deferrable',
    ],
    [
      relation.persistence === 'u',
      'unlogged',
      'the table is unlogged',
      'its changes are not in the WAL: alter table … set logged',
    ],
    [relation.persistence === 't', 'temporary', 'the table is temporary', 'only permanent tables are enrolled'],
    [relation.partition, 'partition', 'the table is a partition', 'enroll the table that it is a part of'],
    [
      relation.foreign_partitions.length > 0,
      'foreign_partition',
      `it has partitions that are foreign tables (${relation.foreign_partitions.join(', ')})`,
      'their rows are not in this database: detach them',
    ],
    [
      relation.restrictive.length > 0,
      'row_security',
      `it has restrictive policies for everybody (${relation.restrictive.join(', ')})`,
      'they would hide rows from concord_apply: name the roles that they are for (create policy … to …)',
    ],
    [
      relation.forced_security,
      'row_security',
      'row-level security is forced upon its owner',
      'an insert could not be stamped above its tombstone: alter table … no force row level security',
    ],
    [
      relation.inherits,
      'inheritance',
      'the table takes part in table inheritance',
      'use declarative partitioning in its place',
    ],
    [
      relation.rules.length > 0,
      'rules',
      `it has rules (${relation.rules.join(', ')})`,
      'ON CONFLICT does not work with rules: use triggers',
    ],
    [
      relation.exclusions.length > 0,
      'exclude',
      `it has EXCLUDE or WITHOUT OVERLAPS constraints (${relation.exclusions.join(', ')})`,
      'two regions can each satisfy them and not both: drop them or leave the table out',
    ],
    [
      relation.subscribed,
      'subscription',
      'a native subscription writes to it',
      'drop the subscription: its rows would be stamped as local writes',
    ],
    [
      !relation.owned,
      'not_owner',
      'this role does not own the table',
      'enroll as the owner, or grant its role to this one',
    ],
    [
      /^concord(_|$)/.test(table.schema),
      'schema_name',
      `schema '${table.schema}' is Concord's own`,
      'rename the schema',
    ],
    [
      Buffer.byteLength(table.schema) > 55,
      'schema_name',
      'the name of the schema is longer than 55 bytes',
      `'concord_' goes in front of it: rename the schema`,
    ],
  ];
  return checks
    .filter(([bad]) => bad)
    .map(([, code, reason, hint]) => ({ level: 'error', code, table: table.name, reason, hint }));
}

/** Byte order of trigger names is firing order. */
function checkTrigger(table: Table, trigger: Trigger): Finding[] {
  const refuse = (code: string, reason: string, hint: string): Finding[] => [
    { level: 'error', code, table: table.name, reason: `trigger ${trigger.name} ${reason}`, hint },
  ];
  if (trigger.enabled === 'A' || trigger.enabled === 'R')
    return refuse(
      'always_trigger',
      'fires for applied rows too',
      `alter table ${trigger.on} enable trigger ${trigger.name}`,
    );
  if (!trigger.for_row) return [];
  const order = Buffer.compare(
    Buffer.from(trigger.name),
    Buffer.from(trigger.before ? TRIGGERS.stamp : TRIGGERS.check),
  );
  if (trigger.before && order > 0)
    return refuse('trigger_order', `fires after ${TRIGGERS.stamp}`, 'rename it: what it changes would not be stamped');
  if (!trigger.before && order < 0)
    return refuse('trigger_order', `fires before ${TRIGGERS.check}`, 'rename it: tombstones have to be written first');
  return [];
}

function warnings(table: Table, relation: Relation): Finding[] {
  return relation.outside.map((parent) => ({
    level: 'warning',
    code: 'foreign_key',
    table: table.name,
    reason: `it references ${parent}, which is not in the topology`,
    hint: 'enroll it too, or keep it equal by other means',
  }));
}
