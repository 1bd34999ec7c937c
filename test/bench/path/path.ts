import { setTimeout as delay } from 'node:timers/promises';
import { topicOf } from '@concord/events';
import { connect, type Sql, send } from '@concord/runtime';
import type { Kafka } from 'kafkajs';
import type { StartCarrier } from '../../../local/carrier/carrier.ts';
import { startEmbedded } from '../../../local/carrier/embedded.ts';
import { kafkaCarrier } from '../../../local/carrier/kafka.ts';
import { startKafkaPlace } from '../../../local/carrier/kafka-place.ts';
import { makeTemplate } from '../../../local/region/template.ts';
import { type Regions, startRegions } from '../../../local/region.ts';
import type { Part } from '../part.ts';
import { markdownTable } from '../spread.ts';
import { createTable, TABLE, values } from '../users-table.ts';

const NAMES = ['us-east-1', 'eu-west-1'] as const;
const RATES = [100, 1000] as const;
const PARTITIONS = 8;
/** Each rate is kept up for so long, after a second that is not counted. */
const STEADY_MS = 10_000;
const WARM_UP_MS = 1000;
const POLL_MS = 5;
/** Changes of the backlog: fewer than fill what decoding keeps in memory by much. */
const BACKLOG = 100_000;

type Contestant = {
  readonly name: string;
  readonly carrier: StartCarrier;
  /** Changes that have come out of the source region so far, heartbeats left out as far as they matter. */
  readonly captured: (regions: Regions) => Promise<number>;
};

type Latency = { readonly p50: number; readonly p99: number; readonly max: number };
type Figures = {
  readonly latencies: ReadonlyMap<number, Latency>;
  readonly capturedPerSecond: number;
  readonly drainedPerSecond: number;
};

/** Two regions over the embedded capture and log, and over real Debezium and Kafka: latency, and rates of a backlog. */
export async function benchPath({ rows, say }: Part): Promise<Record<string, number>> {
  const place = await startKafkaPlace({
    regions: NAMES,
    secure: false,
    compiler: 'peak',
    onProgress: say,
    onWarning: say,
  });
  const contestants: readonly Contestant[] = [
    { name: 'embedded', carrier: startEmbedded, captured: async (regions) => capturedOf(regions) },
    { name: 'kafka', carrier: kafkaCarrier(place), captured: () => endOf(place.admin, topicOf(NAMES[0])) },
  ];
  const results: [string, Figures][] = [];
  for (const contestant of contestants) {
    say(`${contestant.name}: two regions come up`);
    results.push([contestant.name, await measure(contestant, rows, say)]);
  }
  await place.stop();
  return report(results, say);
}

async function measure({ carrier, captured }: Contestant, rows: number, say: Part['say']): Promise<Figures> {
  const { template } = await makeTemplate({ database: 'bench', load: (sql) => sql.unsafe(createTable(TABLE)) });
  const options = { regions: NAMES, template, tables: [TABLE], partitions: PARTITIONS, carrier, onWarning: say };
  const regions = await startRegions({ ...options, batchSize: 10_000 });
  await template.remove();
  const sql = connect({ url: regions.named(NAMES[0]).url(), prepare: true });
  try {
    const latencies = new Map<number, Latency>();
    for (const rate of RATES) latencies.set(rate, await latencyAt(regions, sql, rate));
    return { latencies, ...(await backlog(regions, sql, Math.min(rows, BACKLOG), captured)) };
  } finally {
    await sql.end();
    await regions.stop();
  }
}

const INSERT = `insert into ${TABLE} select i, ${values('i', '1')} from (select $1::bigint as i) i`;
let next = 1;

/** One-row transactions at a steady rate; from the commit at the source to the commit that made it visible at the target. */
async function latencyAt(regions: Regions, sql: Sql, rate: number): Promise<Latency> {
  await writeAt(sql, rate, WARM_UP_MS);
  await regions.drained();
  regions.recentLag.clear();
  await writeAt(sql, rate, STEADY_MS);
  await regions.drained();
  const at = (share: number): number => Math.round(regions.recentLag.percentile(share) ?? Number.NaN);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

async function writeAt(sql: Sql, rate: number, durationMs: number): Promise<void> {
  const startedAtMs = performance.now();
  const writes: Promise<unknown>[] = [];
  for (let count = 0; count < (rate * durationMs) / 1000; count++) {
    const early = startedAtMs + (count * 1000) / rate - performance.now();
    if (early > 0) await delay(early);
    writes.push(send(sql, INSERT, [next++]));
  }
  await Promise.all(writes);
}

/**
 * One transaction that leaves the database at its commit: how fast its changes come out, and then, released, into the other
 * region.
 */
async function backlog(
  regions: Regions,
  sql: Sql,
  rows: number,
  captured: Contestant['captured'],
): Promise<Pick<Figures, 'capturedPerSecond' | 'drainedPerSecond'>> {
  regions.holdInbound(NAMES[1]);
  const target = (await captured(regions)) + rows;
  await sql.unsafe(
    `insert into ${TABLE} select i, ${values('i', '1')} from generate_series(${next}::bigint, ${next + rows - 1}) i`,
  );
  next += rows;
  const startedAtMs = performance.now();
  while ((await captured(regions)) < target) await delay(POLL_MS);
  const capturedAtMs = performance.now();
  const link = regions.links.find(({ into }) => into === NAMES[1]);
  regions.releaseInbound(NAMES[1]);
  await link?.mapping.drained();
  const drainedAtMs = performance.now();
  const perSecond = (fromMs: number, toMs: number): number => Math.round((rows * 1000) / (toMs - fromMs));
  return {
    capturedPerSecond: perSecond(startedAtMs, capturedAtMs),
    drainedPerSecond: perSecond(capturedAtMs, drainedAtMs),
  };
}

const capturedOf = ({ captures }: Regions): number => captures.get(NAMES[0])?.captured() ?? 0;

async function endOf(kafka: Kafka, topic: string): Promise<number> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  return ends.reduce((sum, { high }) => sum + Number(high), 0);
}

function report(results: readonly (readonly [string, Figures])[], say: Part['say']): Record<string, number> {
  const lines = results.flatMap(([name, { latencies }]) =>
    [...latencies].map(([rate, { p50, p99, max }]) => [`${name}, ${rate} changes/s`, p50, p99, max]),
  );
  say(markdownTable(['commit → visible, ms', 'p50', 'p99', 'max'], lines));
  const rates = results.map(([name, figures]) => [name, figures.capturedPerSecond, figures.drainedPerSecond]);
  say(markdownTable(['backlog, changes per second', 'out of the database', 'into the other one'], rates));
  return Object.fromEntries(
    results.flatMap(([name, { latencies, capturedPerSecond, drainedPerSecond }]) => [
      ...[...latencies].flatMap(([rate, latency]) =>
        Object.entries(latency).map(([share, ms]) => [`${name}${rate}${share}Ms`, ms] as const),
      ),
      [`${name}CapturedPerSecond`, capturedPerSecond] as const,
      [`${name}DrainedPerSecond`, drainedPerSecond] as const,
    ]),
  );
}
