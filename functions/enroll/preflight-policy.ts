import { CLAIM_COLUMN, LATTICE_COLUMNS, type TableEntry, type Topology } from '@concord/events';
import { type Column, type Db, rowsOf, type Table, unquoted } from '@concord/runtime';
import { STAMP_COLUMN_NAMES } from './columns.ts';
import type { Finding } from './preflight.ts';
import { type Rule, readRules } from './preflight-rules.ts';

const OWN: ReadonlySet<string> = new Set([...STAMP_COLUMN_NAMES, ...LATTICE_COLUMNS, CLAIM_COLUMN]);
const COUNTER_TYPES = new Set(['pg_catalog.int8', 'pg_catalog.numeric']);

/** Does the table have what its policy in the topology names, and may that be joined on its own? */
export async function checkPolicy(db: Db, table: Table, topology: Topology): Promise<Finding[]> {
  const entry = topology.tables.find(({ name }) => name === table.name);
  if (entry === undefined || (entry.policy !== 'merge' && entry.counters.length === 0)) return [];
  const rules = await readRules(db, table);
  const nullable = await readNullable(db, table);
  return [
    ...entry.counters.flatMap((name) => checkCounter(table, name, nullable.has(name), rules)),
    ...entry.groups.flat().flatMap((name) => checkMember(table, name)),
    ...(entry.policy === 'merge' ? [...checkNames(table, entry), ...checkShared(table, entry, rules)] : []),
  ];
}

const refusal = (table: Table, code: string, reason: string, hint: string): Finding => ({
  level: 'error',
  code,
  table: table.name,
  reason,
  hint,
});

async function readNullable(db: Db, table: Table): Promise<ReadonlySet<string>> {
  const rows = await db.unsafe<{ name: string }[]>(
    'select attname as name from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and not attnotnull',
    [rowsOf(table)],
  );
  return new Set(rows.map(({ name }) => name));
}

const isKey = (table: Table, name: string): boolean => table.key.some((key) => key.name === name);

const ownColumns = (table: Table): Column[] => table.columns.filter(({ name }) => !OWN.has(name));

const absent = (table: Table, name: string, where: string): Finding =>
  refusal(
    table,
    'no_such_column',
    `${where} names column ${name}, which the table does not have`,
    `its columns: ${ownColumns(table)
      .map((column) => column.name)
      .join(', ')}`,
  );

function checkCounter(table: Table, name: string, nullable: boolean, rules: readonly Rule[]): Finding[] {
  const column = table.columns.find((each) => each.name === name);
  if (column === undefined) return [absent(table, name, 'counters')];
  const refuse = (code: string, reason: string, hint: string): Finding[] => [
    refusal(table, code, `counter ${name} ${reason}`, hint),
  ];
  if (isKey(table, name))
    return refuse('counter_key', 'is part of the primary key', 'a key never changes: take it out of counters');
  if (column.generated || column.identity !== '')
    return refuse(
      'counter_generated',
      column.generated ? 'is generated' : 'is an identity column',
      'count an ordinary column',
    );
  if (!COUNTER_TYPES.has(unquoted(column.type)))
    return refuse(
      'counter_type',
      `is of type ${column.type}, not bigint or numeric`,
      `sums need room, and no rules of a domain: alter column ${name} type bigint, in every region`,
    );
  const found = nullable
    ? refuse('counter_null', 'may be NULL, to which nothing can be added', `alter column ${name} set not null`)
    : [];
  for (const rule of rules.filter(({ columns }) => columns.includes(name)))
    found.push(
      ...refuse(
        'counter_rule',
        `is part of ${rule.kind} ${rule.name}`,
        'each region keeps the rule with what it knows, and the sum of all may break it: drop it, or take the column out of counters',
      ),
    );
  return found;
}

function checkMember(table: Table, name: string): Finding[] {
  const column = table.columns.find((each) => each.name === name);
  if (column === undefined) return [absent(table, name, 'groups')];
  if (isKey(table, name))
    return [
      refusal(
        table,
        'group_key',
        `groups: column ${name} is part of the primary key`,
        'it never changes: leave it out',
      ),
    ];
  if (column.generated)
    return [
      refusal(
        table,
        'group_generated',
        `groups: column ${name} is generated`,
        'it follows from others in every region: leave it out, group those',
      ),
    ];
  return [];
}

/** What is joined by itself: no key, not generated, no counter. */
const isRegister = (table: Table, entry: TableEntry, name: string): boolean =>
  !isKey(table, name) &&
  !entry.counters.includes(name) &&
  ownColumns(table).some((column) => column.name === name && !column.generated);

function checkNames(table: Table, entry: TableEntry): Finding[] {
  return table.columns
    .filter(({ name }) => (name === '*' || name.includes(',')) && isRegister(table, entry, name))
    .map(({ name }) =>
      refusal(
        table,
        'register_name',
        `column ${name} cannot be told from a list of columns, as merge writes them`,
        'rename it, or take another policy',
      ),
    );
}

/** Columns that a rule looks at together move together, or two regions' writes make a row that neither of them would accept. */
function checkShared(table: Table, entry: TableEntry, rules: readonly Rule[]): Finding[] {
  const shared = rules
    .map((rule) => ({ ...rule, columns: rule.columns.filter((name) => isRegister(table, entry, name)) }))
    .filter(({ columns }) => !isTogether(columns, entry.groups));
  const groups = shared.reduce((all, { columns }) => joined(all, columns), entry.groups);
  return shared.map(({ kind, name, columns }) =>
    refusal(
      table,
      'separate_columns',
      `${kind} ${name} looks at ${columns.join(', ')}, which merge takes from different writes: each region would park another one`,
      `let them move together: "groups": ${JSON.stringify(groups)}`,
    ),
  );
}

const isTogether = (columns: readonly string[], groups: TableEntry['groups']): boolean =>
  columns.length < 2 || groups.some((group) => columns.every((name) => group.includes(name)));

/** The groups with one that has all of these columns: whatever shares one with them is joined in. */
function joined(groups: TableEntry['groups'], columns: readonly string[]): TableEntry['groups'] {
  const touches = (group: readonly string[]): boolean => group.some((name) => columns.includes(name));
  const together = [...new Set([...groups.filter(touches).flat(), ...columns])];
  return [...groups.filter((group) => !touches(group)), together];
}
