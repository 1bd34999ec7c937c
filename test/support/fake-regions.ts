import { createHash } from 'node:crypto';
import { compare, formatStamp } from '@concord/conflict';
import {
  contentOf,
  type DigestAnswers,
  type DigestRequest,
  type Key,
  type KeyRange,
  type RangeDigest,
  type Reading,
  type RegionState,
  type RepairRequest,
  type StoredVersion,
  type TableState,
  type Topology,
} from '@concord/events';
import { topologyDigest } from '@concord/runtime';
import type { Context } from '../../functions/reconcile/context.ts';
import { memoryStore } from '../../local/reconcile/store.ts';
import { topologyOf } from './regions.ts';

export const FAKE_TABLE = 'public.items';
/** Of versions that are old enough to have arrived everywhere. */
export const CLOSED_US = 1_700_000_000_000_000;

const hashOf = (text: string): bigint =>
  BigInt.asIntN(64, BigInt(`0x${createHash('sha256').update(text).digest('hex').slice(0, 16)}`));

export type Made = {
  readonly id: string;
  readonly region: string;
  readonly stampUs?: number;
  readonly place?: StoredVersion['place'];
  readonly label?: string | null;
};

/** One version of a register table `items (id, label)` as a region stores it. */
export function made({
  id,
  region,
  stampUs = CLOSED_US - 1000,
  place = 'row',
  label = `label of ${id}`,
}: Made): StoredVersion {
  const event = {
    id,
    ...(place === 'tombstone' ? { image: null } : { label }),
    _version: '1',
    _last_updated: formatStamp(stampUs),
    _source_region: region,
    _tx_id: '7',
    _version_vector: JSON.stringify({ [region]: stampUs }),
  };
  const hash = String(
    hashOf(JSON.stringify([place === 'tombstone', id, place === 'tombstone' ? '' : label, stampUs, region])),
  );
  return { key: [id], id, place, stampUs, region, version: `${stampUs} ${region}`, latestUs: stampUs, hash, event };
}

/** A region in memory: what it stores, in its own order of keys, and how it fails. */
export class FakeRegion {
  readonly name: string;
  readonly versions: StoredVersion[] = [];
  readonly unsettled = new Set<string>();
  readonly parked = new Set<string>();
  /** Requests that it was asked, in their order. */
  readonly asked: (DigestRequest['do'] | 'repair')[] = [];
  state: Partial<RegionState> = {};
  table: Partial<TableState> | undefined = {};
  /** Thrown instead of an answer. */
  fails: (request: DigestRequest | RepairRequest) => Error | undefined = () => undefined;
  order: (a: string, b: string) => number = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  /** Ranges of which it gives digests at once. */
  atOnce = Number.POSITIVE_INFINITY;
  kept: unknown;
  readonly #topology: Topology;

  constructor(name: string, topology: Topology) {
    this.name = name;
    this.#topology = topology;
  }

  store(...versions: readonly StoredVersion[]): void {
    this.versions.push(...versions);
  }

  of(id: string): StoredVersion[] {
    return this.versions.filter((version) => version.id === id);
  }

  remove(version: StoredVersion): void {
    this.versions.splice(this.versions.indexOf(version), 1);
  }

  digest(request: DigestRequest): DigestAnswers[DigestRequest['do']] {
    this.asked.push(request.do);
    const error = this.fails(request);
    if (error !== undefined) throw error;
    switch (request.do) {
      case 'state':
        return this.#state(request.tables);
      case 'split':
        return { boundaries: this.#keys().filter((_, index) => index > 0 && index % 3 === 0) };
      case 'digest':
        return {
          digests: request.ranges.slice(0, this.atOnce).map((range) => digestOf(this.#in(range, request.reading))),
        };
      case 'list':
        return {
          lines: request.ranges
            .flatMap((range) => this.#in(range, request.reading))
            .map(({ event: _, ...line }) => line),
          left: [],
        };
      case 'versions': {
        const ids = new Set(request.keys.map(([id]) => id));
        const those = (all: ReadonlySet<string>): string[] => [...all].filter((id) => ids.has(id));
        const versions = this.versions.filter(({ id }) => ids.has(id));
        return { versions, unsettled: those(this.unsettled), parked: those(this.parked) };
      }
      case 'checks':
        return { checks: [] };
      case 'collect':
        return { horizonUs: request.horizonUs, collected: 0, left: false };
      case 'keep':
        this.kept = request.report;
        return { kept: true };
      case 'page':
        throw new Error('nobody asks for pages here');
    }
  }

  /** The join, and nothing else. */
  repair(request: RepairRequest): { sent: number; left: number } {
    this.asked.push('repair');
    const error = this.fails(request);
    if (error !== undefined) throw error;
    for (const { place, event, insteadOf } of request.versions) {
      const stampUs = JSON.parse(event._version_vector ?? '')[event._source_region ?? ''] as number;
      const { id = '', _source_region: region = '', label = null } = event;
      const sent = made({ id: id ?? '', region: region ?? '', stampUs, place, label });
      const here = this.of(sent.id);
      const order = Math.min(...here.map((one) => compare(ranked(sent), ranked(one))), 1);
      const isTold = here.some((one) => insteadOf === contentOf(one.event));
      if (order < 0 || (order === 0 && !isTold)) continue;
      for (const one of here) this.remove(one);
      this.store(sent);
    }
    return { sent: request.versions.length, left: 0 };
  }

  #state(tables: readonly string[]): RegionState {
    const partitions = Array.from({ length: this.#topology.topics.partitions }, () => CLOSED_US);
    const others = this.#topology.regions.filter(({ name }) => name !== this.name);
    const table: TableState = {
      ...{ rollout: 'live', lattice: false, key: ['id'], rows: this.versions.length, horizonUs: 0, unsettled: 0 },
      columns: ['id', 'label', '_local'].map((name) => ({ name, type: 'text', generated: false })),
      ...{ parked: 0, oldestParkedUs: null, held: 0, ...this.table },
    };
    const isKnown = this.table !== undefined && tables.includes(FAKE_TABLE);
    return {
      ...{ region: this.name, server: 'in memory', topology: topologyDigest(this.#topology), selfTest: 'the same' },
      ...{ suspended: null, closedUs: CLOSED_US, tables: isKnown ? { [FAKE_TABLE]: table } : {} },
      applied: Object.fromEntries(others.map(({ name }) => [name, partitions])),
      ...this.state,
    };
  }

  #keys(): Key[] {
    return [...new Set(this.versions.map(({ id }) => id))].sort(this.order).map((id) => [id]);
  }

  #in({ from, to }: KeyRange, { horizonUs, mode, sinceUs }: Reading): StoredVersion[] {
    return this.versions
      .filter(
        ({ id }) =>
          (from === null || this.order(id, from[0] ?? '') >= 0) && (to === null || this.order(id, to[0] ?? '') < 0),
      )
      .filter(({ place, latestUs }) => place !== 'tombstone' || latestUs >= horizonUs)
      .filter(({ stampUs }) => mode !== 'recent' || stampUs >= sinceUs)
      .sort((a, b) => this.order(a.id, b.id));
  }
}

const ranked = ({ stampUs, region }: StoredVersion) => ({ stamp: stampUs, region });

function digestOf(versions: readonly StoredVersion[]): RangeDigest {
  let [xor, sum] = [0n, 0n];
  for (const { hash, place } of versions) {
    xor ^= BigInt(hash) + (place === 'held' ? 1n : 0n);
    sum += BigInt(hash);
  }
  return { rows: versions.length, xor: String(xor), sum: String(sum) };
}

export type Fakes = {
  readonly topology: Topology;
  readonly regions: readonly FakeRegion[];
  readonly context: Context;
};

/** Regions in memory, behind JSON as functions are. */
export function fakeRegions(names: readonly string[]): Fakes {
  const topology = topologyOf({ names, tables: [FAKE_TABLE] });
  const regions = names.map((name) => new FakeRegion(name, topology));
  const named = (name: string): FakeRegion => {
    const region = regions.find((one) => one.name === name);
    if (region === undefined) throw new Error(`no region ${name}`);
    return region;
  };
  const throughJson = <T>(value: T): T => JSON.parse(JSON.stringify(value));
  const context: Context = {
    topology,
    regions: {
      digest: async (name, request) => throughJson(named(name).digest(throughJson(request))) as never,
      repair: async (name, request) => throughJson(named(name).repair(throughJson(request))),
    },
    store: memoryStore(),
    now: () => CLOSED_US + 1_000_000,
  };
  return { topology, regions, context };
}
