import { createHash } from 'node:crypto';
import { tombstoneSchema } from '@concord/events';
import { ident, type Table } from '@concord/runtime';

const MAX_BYTES = 63;

/** An object name derived from a table's; a name over PostgreSQL's 63 bytes is cut and made unique by a digest. */
export function derivedName(table: string, suffix: string): string {
  const name = `${table}.${suffix}`;
  if (Buffer.byteLength(name) <= MAX_BYTES) return name;
  const digest = createHash('sha256').update(table).digest('hex').slice(0, 8);
  let cut = table;
  while (Buffer.byteLength(`${cut}~${digest}.${suffix}`) > MAX_BYTES) cut = cut.slice(0, -1);
  return `${cut}~${digest}.${suffix}`;
}

/** What names are made from: also those of a table that is gone. */
export type Named = Pick<Table, 'schema' | 'table'>;

export const schemaOf = (table: Named): string => ident(tombstoneSchema(table.schema));

export type TriggerFunction = 'stamp' | 'bury' | 'check';

export const functionName = (table: Named, kind: TriggerFunction): string =>
  `${schemaOf(table)}.${ident(derivedName(table.table, kind))}`;

/** BEFORE triggers of ours sort last, AFTER triggers first, so that what users' triggers do is seen and stamped. */
export const TRIGGERS = {
  stamp: '~concord_stamp',
  truncate: '~concord_truncate',
  bury: '!concord_bury',
  buryOldKey: '!concord_bury_old_key',
  check: '!concord_check',
  checkNewKey: '!concord_check_new_key',
} as const;
