import Type, { type Static } from 'typebox';
import { changeKey } from './change.ts';
import { compiled } from './checked.ts';
import type { KafkaRecord } from './lambda-kafka.ts';
import { partitionOf } from './partition.ts';
import { REGION_KEY } from './region.ts';

/** The table whose rows a region updates every few seconds, so that its topic moves while nobody writes. */
export const HEARTBEAT_TABLE = 'concord.heartbeat';

const keyOf = (id: number): string => changeKey({ id: String(id) }, HEARTBEAT_TABLE);

/**
 * Ids of heartbeat rows, one per partition: the Kafka key of the n-th hashes to partition n. `heartbeatIds(2)` is the least id
 * of partition 0, then the least one of partition 1.
 */
export function heartbeatIds(partitions: number): number[] {
  const ids = new Map<number, number>();
  for (let id = 0; ids.size < partitions; id++) {
    const partition = partitionOf(keyOf(id), partitions);
    if (!ids.has(partition)) ids.set(partition, id);
  }
  return Array.from({ length: partitions }, (_, partition) => ids.get(partition) ?? 0);
}

const END = `"_table":"${HEARTBEAT_TABLE}"}`;
/** In base64 three bytes are four characters: what the end looks like depends on where it begins. */
const ENDS = [0, 1, 2].map((skipped) => Buffer.from(END.slice(skipped)).toString('base64'));

/** Whether a record, as Lambda delivers it, is a heartbeat. It tells progress and has no outcome. */
export const isHeartbeat = ({ key }: Pick<KafkaRecord, 'key'>): boolean =>
  typeof key === 'string' && ENDS.some((end) => key.endsWith(end));

/** The same of the bytes or the text of a record's key. */
export const isHeartbeatKey = (key: Buffer | string | null): boolean =>
  typeof key === 'string' ? key.endsWith(END) : key?.subarray(-END.length).toString('latin1') === END;

const Timestamp = Type.String({
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?[+]00$',
});
const Micros = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** A row of `concord.heartbeat` as it travels: every value a text. Earlier releases sent less. */
const HeartbeatRow = Type.Object({
  beat_at: Timestamp,
  resolver: Type.Optional(Type.Union([Type.String({ pattern: '^[0-9]{1,9}$' }), Type.Null()])),
  source_region: Type.Optional(Type.String({ pattern: `^(?:${REGION_KEY})?$` })),
  sequence: Type.Optional(Type.String({ pattern: '^[0-9]{1,15}$' })),
  closed_at: Type.Optional(Timestamp),
  seen: Type.Optional(Type.String()),
});

/** Of a region that was heard: the number of its last heartbeat, when it began by the clock there, and when it was heard by the clock here. */
const Seen = Type.Record(Type.String(), Type.Tuple([Micros, Micros, Micros]));
export type Seen = Static<typeof Seen>;

/** What a region says of itself every few seconds. Times are µs since 1970 by its clock. */
export type Heartbeat = {
  readonly beatAtUs: number;
  /** The version of the join that its apply function runs; undefined where it did not say. */
  readonly resolver: number | undefined;
  /** With its incarnation; empty, and the sequence 0, in heartbeats of before there were closed timestamps. */
  readonly sourceRegion: string;
  readonly sequence: number;
  /** Every write of the region that is stamped below it comes before this heartbeat in its partition; 0: that is not known. */
  readonly closedUs: number;
  /** By region, with its incarnation. */
  readonly seen: Seen;
};

const checked = compiled(HeartbeatRow);
const checkedSeen = compiled(Seen);

/** Undefined for what does not tell what a heartbeat has to, or tells it in another form. */
export function parseHeartbeat(value: unknown): Heartbeat | undefined {
  if (!checked.Check(value)) return undefined;
  const { resolver, source_region: sourceRegion = '', sequence = '0', closed_at: closedAt } = value;
  const beatAtUs = microsOf(value.beat_at);
  const closedUs = closedAt === undefined ? 0 : microsOf(closedAt);
  const seen = parseSeen(value.seen ?? '{}');
  if (beatAtUs === undefined || closedUs === undefined || seen === undefined) return undefined;
  const version = typeof resolver === 'string' ? Number(resolver) : undefined;
  return { beatAtUs, resolver: version, sourceRegion, sequence: Number(sequence), closedUs, seen };
}

function parseSeen(text: string): Seen | undefined {
  try {
    const seen: unknown = JSON.parse(text);
    return checkedSeen.Check(seen) ? seen : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined where there is no such time. */
function microsOf(text: string): number | undefined {
  const seconds = Date.parse(`${text.slice(0, 10)}T${text.slice(11, 19)}Z`) / 1000;
  const fraction = text.slice(20, text.indexOf('+')).padEnd(6, '0');
  const us = seconds * 1_000_000 + Number(fraction);
  return Number.isSafeInteger(us) && us >= 0 ? us : undefined;
}
