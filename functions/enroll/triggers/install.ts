import { isLattice } from '@concord/events';
import { ident, rowsOf, sameKey, type Table } from '@concord/runtime';
import { functionName, TRIGGERS } from '../names.ts';
import { buryLattice, checkLattice, stampLattice } from './lattice.ts';
import { buryRegister, checkRegister, stampRegister } from './register.ts';
import type { TriggerSpec } from './spec.ts';

/** Statements that make the functions of a table, or replace those of a former policy. */
export const functionStatements = (spec: TriggerSpec): string[] =>
  isLattice(spec.rule)
    ? [stampLattice(spec), buryLattice(spec), checkLattice(spec)]
    : [stampRegister(spec), buryRegister(spec), checkRegister(spec)];

/** Statements that (re)create the triggers of a table. TRUNCATE triggers do not reach partitions: each gets its own. */
export function triggerStatements(table: Table, partitions: readonly string[]): string[] {
  const on = rowsOf(table);
  const keyChanged = `not (${sameKey(table, 'old', 'new')})`;
  const make = (name: string, when: string, run: string): string =>
    `create or replace trigger ${ident(name)} ${when} execute function ${run}()`;
  return [
    make(TRIGGERS.stamp, `before insert or update on ${on} for each row`, functionName(table, 'stamp')),
    make(TRIGGERS.bury, `after delete on ${on} for each row`, functionName(table, 'bury')),
    make(TRIGGERS.buryOldKey, `after update on ${on} for each row when (${keyChanged})`, functionName(table, 'bury')),
    make(TRIGGERS.check, `after insert on ${on} for each row`, functionName(table, 'check')),
    make(TRIGGERS.checkNewKey, `after update on ${on} for each row when (${keyChanged})`, functionName(table, 'check')),
    ...[on, ...partitions].map((name) =>
      make(TRIGGERS.truncate, `before truncate on ${name} for each statement`, 'concord.refuse_truncate'),
    ),
  ];
}
