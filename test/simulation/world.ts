import { changeKey, partitionOf } from '@concord/events';
import { addWrite, changeOf, keyName, type Write } from './history.ts';
import { newRegion, type Region } from './region.ts';
import { REGION_NAMES, type Schedule } from './schedule.ts';

/** What happened in a run; proves that a suite of schedules exercises what it claims to. */
export type Counts = Record<
  | 'writes'
  | 'deletes'
  | 'reinserts'
  | 'ties'
  | 'batches'
  | 'records'
  | 'conflicts'
  | 'crashes'
  | 'replays'
  | 'parked'
  | 'buried',
  number
>;

export const noCounts = (): Counts => ({
  writes: 0,
  deletes: 0,
  reinserts: 0,
  ties: 0,
  batches: 0,
  records: 0,
  conflicts: 0,
  crashes: 0,
  replays: 0,
  parked: 0,
  buried: 0,
});

/** Everything there is: all regions and, for the checks only, all writes with their real ancestry. */
export type World = {
  readonly regions: readonly Region[];
  readonly history: Write[];
  /** Kafka partition of each key. */
  readonly partitions: readonly number[];
  readonly counts: Counts;
  /** Told each thing that happens, for a trace; undefined while nobody reads it. */
  readonly note: ((line: string) => void) | undefined;
};

export function newWorld(schedule: Schedule, note?: World['note']): World {
  const names = REGION_NAMES.slice(0, schedule.regions);
  const world: World = {
    regions: names.map((name, index) => newRegion(index, name, schedule.regions, schedule.partitions)),
    history: [],
    partitions: schedule.keys.map((_, key) =>
      partitionOf(changeKey({ id: keyName(key) }, 'public.items'), schedule.partitions),
    ),
    counts: noCounts(),
    note,
  };
  schedule.keys.forEach(({ bottom }, key) => {
    if (bottom) addBottom(world, key);
  });
  return world;
}

/** A row that was in every region before its table was enrolled. */
function addBottom({ regions, history, note }: World, key: number): void {
  const write = addWrite(history, key, { kind: 'row', stamp: 0, region: '', vector: {}, writes: 1 }, {});
  for (const region of regions) region.slots.set(keyName(key), { row: changeOf(write) });
  note?.(`all regions hold v${write.id} of ${keyName(key)} from before enrolment`);
}
