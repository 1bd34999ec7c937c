import { compareLives, covers, nextLattice, nextVersion, type Version } from '@concord/conflict';
import { Violation } from '../violation.ts';
import { type History, type Image, type Item, isCounted, newHeld, type Op, type Past, type Write } from './history.ts';
import { countedItems, visibleItems } from './losses.ts';
import { COLUMNS, type Column, type Rule } from './rules.ts';
import type { Slot } from './slot.ts';

/** Who writes, by which rule, and what his clock says (with the bonus). */
export type Writer = { readonly region: string; readonly rule: Rule; readonly clock: number };

/** Columns that an operation of the application changes. */
const CHANGES = {
  insert: COLUMNS,
  a: ['a'],
  b: ['b'],
  ab: ['a', 'b'],
  n: ['n'],
  an: ['a', 'n'],
  delete: [],
} as const satisfies Record<Op, readonly Column[]>;

/** What the triggers read: an insert looks the tombstone up, an update does not, a delete meets it when it writes its own. */
type Found = Pick<Slot, 'row' | 'tombstone'>;

const foundBy = (op: Op, { row, tombstone }: Found): Found =>
  row !== undefined && op !== 'delete' ? { row } : { row, tombstone };

/** A local write over what its database holds; `touched`: it looks the tombstone up, whatever it is. */
export function writeOf(history: History, slot: Slot, op: Op, writer: Writer, touched = false): Write {
  const id = history.length;
  const found = touched ? slot : foundBy(op, slot);
  const image = imageAfter(op, id, found.row?.image);
  const version = versionOf(id, op, found, image, { ...writer, floor: slot.floor });
  const { region, rule } = writer;
  const stamp = version.vector[region] as number;
  const { past, life } = groundOf(history, op, found, rule);
  const held = newHeld(version, image, past | (1 << id), life);
  const columns = op === 'delete' ? [] : life === id ? COLUMNS : setColumns(op, rule);
  const delta = life !== id && rule.counted && changes(op, 'n') ? amountOf(id) : 0;
  checkOwnStamp(history, region, stamp);
  return {
    id,
    op,
    rule,
    region,
    stamp,
    held,
    columns,
    delta,
    over: replaced(history, op, found, columns, life === id),
  };
}

const changes = (op: Op, column: Column): boolean => (CHANGES[op] as readonly Column[]).includes(column);

const isEdited = (op: Op, column: Column, { counted }: Rule): boolean =>
  changes(op, column) && !(counted && column === 'n');

/** Registers of the rule of which the operation changes a column. */
const changedRegisters = (op: Op, rule: Rule): string[] =>
  rule.registers.filter((name) => COLUMNS.some((column) => covers(name, column) && isEdited(op, column, rule)));

const setColumns = (op: Op, rule: Rule): Column[] =>
  COLUMNS.filter(
    (column) => changedRegisters(op, rule).some((name) => covers(name, column)) && !(rule.counted && column === 'n'),
  );

/** Up or down by a power of two of its own, so that a sum tells what is in it. */
const amountOf = (id: number): number => (id % 2 === 0 ? 1 : -1) * 2 ** id;

function imageAfter(op: Op, id: number, old: Image | undefined): Image {
  if (old === undefined) return { a: `v${id}`, b: `v${id}`, n: String(1 << id) };
  const edited = (column: 'a' | 'b'): string => (changes(op, column) ? `v${id}` : old[column]);
  return { a: edited('a'), b: edited('b'), n: changes(op, 'n') ? String(Number(old.n) + amountOf(id)) : old.n };
}

function versionOf(
  id: number,
  op: Op,
  found: Found,
  image: Image,
  writer: Writer & { readonly floor: number },
): Version {
  const kind = op === 'delete' ? 'tombstone' : 'row';
  const { region, clock, floor, rule } = writer;
  const context = { region, clock, floor, row: found.row?.version, tombstone: found.tombstone?.version };
  if (!rule.lattice) return nextVersion(kind, context);
  const old = found.row?.image;
  const increments = rule.counted && changes(op, 'n') ? { n: String(Number(image.n) - Number(old?.n ?? 0)) } : {};
  const values = old !== undefined && rule.counted ? { n: old.n } : {};
  const begun = isBeneath(found) && rule.counted ? { n: image.n } : increments;
  return nextLattice(kind, {
    ...context,
    txId: String(id),
    changed: changedRegisters(op, rule),
    increments: begun,
    values,
  });
}

const isBeneath = ({ row, tombstone }: Found): boolean =>
  row !== undefined && tombstone !== undefined && compareLives(tombstone.version, row.version) >= 0;

/** The history that a write goes on from and the life that it belongs to, which may be a new one: by what was really there. */
function groundOf(history: History, op: Op, found: Found, rule: Rule): Past {
  const { row, tombstone } = found;
  const id = history.length;
  const state = isBeneath(found) ? tombstone : (row ?? tombstone);
  if (state === undefined) return { past: 0, life: id };
  if (!rule.lattice || state.version.kind === 'tombstone') {
    const isEnded = rule.lattice && op === 'delete';
    return { past: state.past | (isEnded && row?.life === state.life ? row.past : 0), life: isEnded ? state.life : id };
  }
  const isOther = state.version.lattice !== undefined && isCounted(history, state) !== rule.counted;
  return { past: state.past, life: isOther && op !== 'delete' ? id : state.life };
}

/** What its user saw there and replaced. */
function replaced(history: History, op: Op, found: Found, columns: readonly Column[], isNewLife: boolean): Item[] {
  const { row, tombstone } = found;
  const beneath = row === undefined || isBeneath(found) ? tombstone : undefined;
  const ended = beneath === undefined ? [] : visibleItems(history, beneath);
  if (row === undefined) return ended;
  const isWhole = op === 'delete' || isNewLife;
  const counted = isWhole ? countedItems(history, row) : [];
  return [...ended, ...visibleItems(history, row, isWhole ? COLUMNS : columns), ...counted];
}

/** What vectors rest on: a region never gives a stamp twice, nor a lower one. */
function checkOwnStamp(history: History, region: string, stamp: number): void {
  const twin = history.find((write) => write.region === region && write.stamp >= stamp);
  if (twin !== undefined)
    throw new Violation('own stamps', `${region} writes at ${stamp} after v${twin.id} at ${twin.stamp}`);
}
