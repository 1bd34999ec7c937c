import { type Topology, walked } from '@concord/events';
import type { DatabaseSecret, SecretStage, Sql } from '@concord/runtime';
import Type, { type Static } from 'typebox';
import { enroll } from './enroll.ts';
import { type Finding, preflight } from './preflight.ts';
import { ensureLogin } from './role-login.ts';
import { type GreatestIds, mergeGreatestIds, readGreatestIds } from './sequences.ts';
import { prepareSlot } from './slot.ts';

const Properties = Type.Object({
  /** The replication slot of this region's connector, and the publication that it reads. */
  slot: Type.String({ minLength: 1 }),
  publication: Type.String({ minLength: 1 }),
  /** Per `schema.table.column` the greatest id of the other regions, in digits. */
  greatestIds: Type.Optional(Type.Record(Type.String(), Type.String({ pattern: '^-?\\d+$' }))),
  roles: Type.Array(Type.Object({ role: Type.String({ minLength: 1 }), secretArn: Type.String({ minLength: 1 }) })),
  /** Changes when the topology or this function's code do (migrations): that makes CloudFormation send an update. */
  digest: Type.String(),
});
export type EnrollProperties = Static<typeof Properties>;

/** What CDK's provider framework hands to `onEvent`, as far as it is read here. */
const ResourceEvent = Type.Union([
  Type.Object({ RequestType: Type.Literal('Delete'), PhysicalResourceId: Type.String() }),
  Type.Object({
    RequestType: Type.Union([Type.Literal('Create'), Type.Literal('Update')]),
    ResourceProperties: Properties,
  }),
]);

export type ResourceResponse = {
  readonly PhysicalResourceId: string;
  /** Texts: CloudFormation knows no others. Tables are joined by commas; of those with a pending policy the regions follow. */
  readonly Data?: {
    readonly enrolled: string;
    readonly unchanged: string;
    readonly pending: string;
    readonly findings: string;
  };
};

/** The database of a region, and what is needed to bring it into the topology. */
export type EnrollTarget = {
  readonly region: string;
  readonly topology: Topology;
  /** One connection of the role that enrolls. */
  readonly sql: Sql;
  readonly readSecret: (secretArn: string, stage: SecretStage) => Promise<DatabaseSecret | undefined>;
  /** Does the database let a role in with a password? */
  readonly canLogIn: (role: string, password: string) => Promise<boolean>;
};

export type Log = (message: string, details: Readonly<Record<string, unknown>>) => void;

const checked = walked(ResourceEvent);

/**
 * Answers a request of CloudFormation. `open` is asked for the database only when there is work: deleting the resource touches
 * nothing, whatever the reason (a failed deploy rolls back by deleting, and there may be data).
 */
export async function onResourceEvent(
  event: unknown,
  open: <T>(work: (target: EnrollTarget) => Promise<T>) => Promise<T>,
  log: Log,
): Promise<ResourceResponse> {
  if (!checked.Check(event)) {
    const [first] = checked.Errors(event);
    throw new Error(`not an event of the enroll resource: ${first?.instancePath || '/'} ${first?.message ?? ''}`);
  }
  if (event.RequestType === 'Delete') {
    log('the resource goes; the database stays as it is: `concord enroll --unenroll` takes a table out', {});
    return { PhysicalResourceId: event.PhysicalResourceId };
  }
  const { RequestType, ResourceProperties: properties } = event;
  return open((target) => enrollTarget(target, properties, RequestType === 'Create', log));
}

async function enrollTarget(
  target: EnrollTarget,
  properties: EnrollProperties,
  isFirst: boolean,
  log: Log,
): Promise<ResourceResponse> {
  const { sql, topology, region } = target;
  // All that can be refused is looked at before anything is changed.
  const roles = await Promise.all(properties.roles.map((entry) => withSecret(entry, target)));
  const findings = [...(await preflight(sql, topology, region)).findings, ...(await leftOut(sql, topology))];
  log('preflight', { findings });
  const errors = findings.filter(({ level }) => level === 'error');
  if (errors.length > 0) throw new Error(refusal(errors));

  const names = topology.tables.map(({ name }) => name);
  const greatestIds = mergeGreatestIds([await readGreatestIds(sql, names), givenIds(properties)]);
  const report = await enroll(sql, { topology, region, greatestIds });
  for (const role of roles) if (await ensureLogin(sql, role, target.canLogIn)) log('password set', { role: role.role });
  await prepareSlot(sql, properties.slot, properties.publication, isFirst).catch((error) =>
    Promise.reject(isFirst ? error : slotLost(error)),
  );
  log('enrolled', { ...report });
  return {
    PhysicalResourceId: `concord-${region}`,
    Data: {
      enrolled: report.enrolled.join(','),
      unchanged: report.unchanged.join(','),
      pending: report.pending.map(({ table, waitsFor }) => `${table} (${waitsFor.join(' ')})`).join(','),
      findings: String(findings.length),
    },
  };
}

/** The passwords that may be in the database now: the current one, and during a rotation the next. */
async function withSecret({ role, secretArn }: EnrollProperties['roles'][number], { readSecret }: EnrollTarget) {
  const current = await readSecret(secretArn, 'AWSCURRENT');
  if (current === undefined) throw new Error(`secret ${secretArn} has no version AWSCURRENT`);
  if (current.username !== undefined && current.username !== role)
    throw new Error(`secret ${secretArn} is that of '${current.username}', not of '${role}': give the role's own`);
  const pending = await readSecret(secretArn, 'AWSPENDING');
  return { role, password: current.password, next: pending?.password };
}

/** Tables that are enrolled here and that the topology does not know: their changes would go on being captured. */
async function leftOut(sql: Sql, topology: Topology): Promise<Finding[]> {
  const [known] = await sql`select to_regclass('concord.enrolled_table') is not null as there`;
  if (known?.there !== true) return [];
  const rows = await sql<{ table: string }[]>`select table_name as "table" from concord.enrolled_table order by 1`;
  const names = new Set(topology.tables.map(({ name }) => name));
  return rows
    .filter(({ table }) => !names.has(table))
    .map(({ table }) => ({
      level: 'error',
      code: 'left_out',
      table,
      reason: 'it is enrolled in this database, but missing in the topology',
      hint: `put it back, or take it out of every region first: concord enroll --unenroll ${table}`,
    }));
}

/** CloudFormation takes 4 KB with everything around it; the log has them all. */
const MAX_REASON = 3000;

function refusal(errors: readonly Finding[]): string {
  const lines = errors.map(({ table, reason, hint }) => `${table === undefined ? '' : `${table}: `}${reason}; ${hint}`);
  const text = `nothing was changed. ${errors.length} to mend: ${lines.join('. ')}`;
  return text.length <= MAX_REASON ? text : `${text.slice(0, MAX_REASON)}… (all of them are in the function's log)`;
}

const givenIds = ({ greatestIds = {} }: EnrollProperties): GreatestIds =>
  Object.fromEntries(Object.entries(greatestIds).map(([name, id]) => [name, BigInt(id)]));

const slotLost = (error: Error): Error =>
  new Error(
    `${error.message}: what committed since it was lost is missing in the other regions; see "When the slot is lost" in docs/capture.md`,
    { cause: error },
  );
