import { formatStamp, type Lattice, type Stamp, seen, type Version } from '@concord/conflict';
import { internalTopic, isInternalTopic, regionName, type Topology, topicOf } from '@concord/events';
import type { ReasonCode } from './reasons.ts';

export type Problem = readonly [reason: ReasonCode, error: string];

type VersionContext = { readonly topology: Topology; readonly now: Stamp };

/** Is a version one that its region can have made, and may it come on this topic? */
export function checkVersion(version: Version, topic: string, context: VersionContext): Problem | undefined {
  const { lattice } = version;
  const region = regionName(version.region);
  const { regions, formerRegions } = context.topology;
  const isNamed = (name: string) => (entry: { readonly name: string }) => entry.name === name;
  const isKnown = (name: string): boolean => regions.some(isNamed(name)) || formerRegions.some(isNamed(name));
  if (!isKnown(region) && !isBottom(version)) return ['foreign_region', `region '${region}' is not in the topology`];
  for (const entry in version.vector)
    if (!isKnown(regionName(entry)))
      return ['foreign_region', `_version_vector names '${entry}', which is not in the topology`];
  const wrong = lattice === undefined ? checkRegister(version, topic) : checkLattice(version, lattice, topic);
  return wrong ?? checkDrift(version, context);
}

/** A row from before enrolment, or one to whose counters regions have only added since. */
const isBottom = ({ stamp, region }: Version): boolean => stamp === 0 && region === '';

/** Of a register table: written by the topic's region, after all that it has seen. Nobody has written a row from before enrolment. */
function checkRegister(version: Version, topic: string): Problem | undefined {
  const { stamp, region, vector } = version;
  if (isBottom(version) && topic === internalTopic('repair')) return checkBottom(version);
  if (topic !== topicOf(regionName(region)) && !isInternalTopic(topic))
    return ['foreign_region', `a version of '${regionName(region)}' on topic ${topic}`];
  for (const entry in vector)
    if ((vector[entry] ?? 0) > stamp)
      return ['bad_version', `_version_vector has seen '${entry}' later than its own stamp`];
  if (vector[region] !== stamp) return ['bad_version', '_version_vector does not hold its own stamp'];
  return undefined;
}

const checkBottom = ({ kind, vector }: Version): Problem | undefined =>
  kind === 'tombstone' || Object.keys(vector).length > 0
    ? ['bad_version', `a ${kind} from before enrolment has seen nothing, and is no delete`]
    : undefined;

/**
 * Of a lattice table: its last register may be another region's, when the topic's has only added to counters. But every write of
 * its life has set the vector's entry of its region, and vectors are joined within a life, so it holds all that the version does.
 */
function checkLattice({ stamp, region, vector }: Version, lattice: Lattice, topic: string): Problem | undefined {
  if (!isInternalTopic(topic) && !Object.keys(vector).some((entry) => topicOf(regionName(entry)) === topic))
    return ['foreign_region', `a version that has seen no write of the region of ${topic}`];
  const { incarnation, registers, counters } = lattice;
  const added = Object.values(counters).flatMap((counter) =>
    Object.entries(counter).map(([adder, [at]]) => ({ stamp: at, region: adder })),
  );
  const dots = [{ stamp, region }, incarnation, ...Object.values(registers), ...added];
  const unseen = dots.find((dot) => seen(vector, dot.region) < dot.stamp);
  return unseen === undefined
    ? undefined
    : ['bad_version', `_version_vector does not hold the write ${unseen.stamp} of '${unseen.region}'`];
}

const greatestBonusMs = ({ priority }: Topology): number => Math.max(0, ...Object.values(priority));

/** A register version's stamp is the greatest entry of its vector; of a lattice version any entry may be. */
function checkDrift({ stamp, vector, lattice }: Version, { topology, now }: VersionContext): Problem | undefined {
  let latest = stamp;
  if (lattice !== undefined) for (const entry in vector) latest = Math.max(latest, vector[entry] ?? 0);
  let aheadMicros = latest - now - topology.limits.driftLimitMs * 1000;
  if (aheadMicros > 0) aheadMicros -= greatestBonusMs(topology) * 1000;
  if (aheadMicros <= 0) return undefined;
  const written = latest === stamp ? '_last_updated' : 'a write at';
  return ['future', `${written} ${formatStamp(latest)} is ${Math.ceil(aheadMicros / 1e6)} s beyond the drift limit`];
}
