import type { Topology } from '@concord/events';
import type { Db } from '@concord/runtime';
import type { Finding } from './preflight.ts';

type Server = {
  version: number;
  wal_level: string;
  slots: number;
  senders: number;
  superuser: boolean;
  createrole: boolean;
  create_schema: boolean;
  set_replica: boolean;
  replication: boolean;
};

const SERVER = /* sql */ `
select current_setting('server_version_num')::int as version, current_setting('wal_level') as wal_level,
  current_setting('max_replication_slots')::int as slots, current_setting('max_wal_senders')::int as senders,
  r.rolsuper or pg_has_role_if_exists.is_rds as superuser, r.rolcreaterole as createrole,
  has_database_privilege(current_database(), 'create') as create_schema,
  r.rolsuper or pg_has_role_if_exists.is_rds or has_parameter_privilege('session_replication_role', 'set') as set_replica,
  r.rolsuper or pg_has_role_if_exists.is_rds or (r.rolreplication and current_setting('server_version_num')::int >= 160000) as replication
from pg_roles r, lateral (
  select exists (select from pg_roles s where s.rolname = 'rds_superuser' and pg_has_role(r.oid, s.oid, 'member')) as is_rds
) pg_has_role_if_exists
where r.rolname = current_user`;

/** What concerns the server, the role that enrolls, and which region this database is. */
export async function checkServer(db: Db, topology: Topology, region: string): Promise<Finding[]> {
  const [server] = await db.unsafe<Server[]>(SERVER);
  if (server === undefined) throw new Error('current_user is not in pg_roles');
  const findings: Finding[] = [];
  const refuse = (bad: boolean, code: string, reason: string, hint: string): void => {
    if (bad) findings.push({ level: 'error', code, reason, hint });
  };
  refuse(
    server.version < 150000,
    'server_version',
    `PostgreSQL ${server.version} has no publication row filters`,
    'upgrade to 15 or later',
  );
  refuse(
    server.wal_level !== 'logical',
    'wal_level',
    `wal_level is '${server.wal_level}'`,
    'set wal_level = logical (on RDS: rds.logical_replication = 1 in the parameter group) and restart',
  );
  refuse(
    server.slots < 1 || server.senders < 1,
    'replication_slots',
    'no replication slots or WAL senders are allowed',
    'set max_replication_slots and max_wal_senders to 4 or more',
  );
  refuse(
    !server.superuser && !server.createrole,
    'create_role',
    'this role may not create roles',
    'enroll as the master user of the database',
  );
  refuse(
    !server.create_schema,
    'create_schema',
    'this role may not create schemas in this database',
    'grant create on the database, or enroll as its owner',
  );
  refuse(
    !server.set_replica,
    'session_replication_role',
    'this role may not set session_replication_role',
    'enroll as a superuser (RDS: a member of rds_superuser), or `grant set on parameter session_replication_role` to it',
  );
  refuse(
    !server.replication,
    'replication_role',
    'this role may not create one that replicates',
    'enroll as a superuser (RDS: a member of rds_superuser; from PostgreSQL 16 on a role with the attribute REPLICATION)',
  );
  const names = topology.regions.map((entry) => entry.name);
  refuse(!names.includes(region), 'region', `'${region}' is not in the topology`, `one of ${names.join(', ')}`);
  const known = await knownRegion(db);
  refuse(
    known !== null && known !== region,
    'region',
    `this database is region '${known}'`,
    'a region keeps its name for ever; check the connection',
  );
  return findings;
}

/** Null also where this role may not read it. */
async function knownRegion(db: Db): Promise<string | null> {
  const readable = await db.unsafe(
    `select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'concord' and c.relname = 'region'
       and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')`,
  );
  if (readable.length === 0) return null;
  const [row] = await db.unsafe<{ name: string }[]>('select name from concord.region');
  return row?.name ?? null;
}
