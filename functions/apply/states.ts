import { parseStamp, parseVector } from '@concord/conflict';
import { type KafkaRecord, tombstoneSchema } from '@concord/events';
import { type Column, type Db, send, textsOf, unnestColumns } from '@concord/runtime';
import type { Change } from './change.ts';
import { keyOf } from './decode.ts';
import { columnArrays, keyColumns, matchKey, type Plan, POSITION } from './plan.ts';
import { withTags } from './tags.ts';

/** What is stored for the key of a change, complete, and locked until the transaction ends. */
export type States = { readonly row?: Change; readonly tombstone?: Change };

/** Locks are taken in the order of the changes, which is the key order of every applier. */
const select = (plan: Plan, relation: string, columns: readonly Column[]): string => /* sql */ `
select k.${POSITION} as n, json_object(${textsOf(columns, 's')}) as event
from (${unnestColumns(keyColumns(plan))}, generate_series(1, $${plan.keyNames.length + 1}::int) as ${POSITION}) k
join ${relation} s on ${matchKey(plan, 's', 'k')} order by k.${POSITION} for update of s`;

type Texts = Readonly<Record<string, string | null>>;
type Kind = Change['kind'];

/** Reads and locks rows, then tombstones, of these changes' keys (distinct, in key order). Of register and lattice tables alike. */
export async function readStates(db: Db, plan: Plan, changes: readonly Change[]): Promise<Map<Change, States>> {
  if (changes.length === 0) return new Map();
  const [rows, tombstones] = await Promise.all([find(db, plan, 'row', changes), find(db, plan, 'tombstone', changes)]);
  return new Map(
    changes.map((change) => {
      const [row, tombstone] = [rows.get(change), tombstones.get(change)];
      return [change, { ...(row && { row }), ...(tombstone && { tombstone }) }];
    }),
  );
}

async function find(db: Db, plan: Plan, kind: Kind, changes: readonly Change[]): Promise<Map<Change, Change>> {
  const [relation, columns] = kind === 'row' ? [plan.rows, plan.rowColumns] : [plan.tombstones, plan.tombstoneColumns];
  const found = await send<{ n: number; event: Texts }[]>(db, select(plan, relation, columns), [
    ...columnArrays(keyColumns(plan), changes),
    changes.length,
  ]);
  return new Map(
    found.map(({ n, event }) => {
      const asked = changes[n - 1] as Change;
      return [asked, storedChange(plan, kind, event, asked)];
    }),
  );
}

/** Of a version that no record has brought: one that is held, or was found. */
export const NO_RECORD: KafkaRecord = {
  topic: '',
  partition: 0,
  offset: 0,
  timestamp: 0,
  timestampType: 'CREATE_TIME',
  value: null,
};

/** A row in `concord.limbo`, or of the table, as a change: `texts` are its columns as PostgreSQL prints them. */
export const changeOfRow = (plan: Plan, texts: Texts): Change =>
  storedChange(plan, 'row', texts, { key: '', record: NO_RECORD });

/** A row of which only the primary key's texts are known: what `readStates` asks for. */
export function changeOfKey(plan: Plan, key: readonly (string | undefined)[]): Change {
  const event = Object.fromEntries(plan.keyNames.map((name, index) => [name, key[index]]));
  return { kind: 'row', key: keyOf(event, plan.table) ?? '', event, record: NO_RECORD } as unknown as Change;
}

/**
 * A stored version (its columns as PostgreSQL prints them, without the connector's fields) as a change that goes by the record of the
 * change that asked for it. Throws where its metadata is none.
 */
function storedChange(plan: Plan, kind: Kind, texts: Texts, asked: Pick<Change, 'key' | 'record'>): Change {
  const { table } = plan;
  const schema = kind === 'row' ? table.schema : tombstoneSchema(table.schema);
  const event = { ...texts, _local: 'true', __op: 'u', __s: schema, __t: table.table } as Change['event'];
  const stamp = parseStamp(event._last_updated);
  if (stamp === undefined) throw new Error(`${table.name}: a stored ${kind} has the stamp ${event._last_updated}`);
  const change = withTags(
    {
      kind,
      stamp,
      region: event._source_region,
      vector: parseVector(event._version_vector),
      writes: Number(event._version),
      table: table.name,
      key: keyOf(texts, table) ?? asked.key,
      event,
      record: asked.record,
    },
    table,
  );
  if ('column' in change)
    throw new Error(`${table.name}: a stored ${kind} has a ${change.column} that is not understood: ${change.text}`);
  return change;
}
