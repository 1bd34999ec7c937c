import { functionFolder, LAYER_NAMES, layerFolder } from '../../../cdk/functions/bundle.ts';
import { type Lambda, startLambda } from '../../../local/lambda/lambda-function.ts';
import { type Cluster, startCluster } from '../../../local/postgres/cluster.ts';
import { type WideChanges, wideChanges } from '../growth/wide-changes.ts';
import { countWritten, createWide, type Shape, wideTopology } from '../growth/wide-tables.ts';
import type { Part } from '../part.ts';
import { markdownTable } from '../spread.ts';
import { HERE, withDatabase } from '../users-table.ts';
import { type Held, heldBy, keptMb, measuredFolder } from './measured-function.ts';

/**
 * In a row in one process: until full payloads have been through all the room that V8 gives its young generation, a tenth of the function's
 * memory and twice at most; more where a little that is kept each time would not show.
 */
const INVOCATIONS = { few: 200, full: 100, fullInLess: 30 };
const FEW = 100;
/** By then all code was loaded and run: what is kept must not grow from here to the end, by more than a collection may leave. */
const WARM = 10;
const GROWTH_MB = 1.5;
/** The default of the deployment: 1 vCPU. */
const MEMORY_MB = 1769;
/** The least that a deployment takes, and one between. */
const LESS_MEMORY_MB = [512, 256];
const TIMEOUT_MS = 120_000;
/** A request to Lambda, some bytes for what is around the records left out. */
const PAYLOAD_BYTES = 6 * 1024 * 1024 - 1024;
const BATCHES = [10, 100, 1000, 10_000];
const SETTINGS = { autovacuum: 'off', max_wal_size: '4GB', shared_buffers: '256MB' };
const UPDATED_SHARE = 0.7;
/** The application's columns of a row: with key and stamps 300 B and 4 kB. */
const SHAPES: Readonly<Record<string, Shape>> = {
  '300 B': { tables: 1, columns: 10, columnChars: 16, rows: 20_000 },
  '4 kB': { tables: 1, columns: 10, columnChars: 385, rows: 5000 },
};
/** A row that takes almost all that a payload can carry. */
const GREATEST_ROW: Shape = { tables: 1, columns: 1, columnChars: 4_600_000, rows: 10 };

type Size = {
  readonly key: string;
  readonly name: string;
  readonly batch: number;
  readonly database: string;
  readonly shape: Shape;
  readonly changes: WideChanges;
  readonly memoryMb: number;
  readonly invocations: number;
};

/** The memory of the apply function as it is deployed, over invocations in a row in one process each: what it takes, and what of it is kept. */
export async function benchMemory({ say }: Part): Promise<Record<string, number>> {
  const cluster = await startCluster({ name: 'memory', settings: SETTINGS });
  const figures: Record<string, number> = {};
  const lines: (string | number)[][] = [];
  try {
    for (const size of await sizes(cluster)) {
      const { key, name, memoryMb, invocations } = size;
      const { held, warmKeptMb, lastKeptMb, payloadBytes } = await measure(cluster, size);
      const [half, last] = [held[invocations / 2], held[invocations]];
      const peaks = [held[0], held[1], half, last].map((then) => Math.round(then?.peakMb ?? Number.NaN));
      const resident = [half, last].map((then) => Math.round(then?.residentMb ?? Number.NaN));
      const kept = [warmKeptMb, lastKeptMb].map((mb) => mb.toFixed(1));
      lines.push([name, memoryMb, Math.round(payloadBytes / 1024), invocations, ...peaks, ...resident, ...kept]);
      figures[`${key}FirstMb`] = peaks[1] ?? Number.NaN;
      figures[`${key}LastMb`] = peaks[3] ?? Number.NaN;
      figures[`${key}KeptMb`] = lastKeptMb;
      say(`${name}, function of ${memoryMb} MB: at most ${peaks[3]} MB, of which ${kept[1]} are kept`);
    }
  } finally {
    await cluster.remove();
  }
  const head = [
    'records',
    'function, MB',
    'payload, kB',
    'invocations',
    'peak, MB: loaded',
    'after 1',
    'after half',
    'after all',
  ];
  say(markdownTable([...head, 'resident, MB: after half', 'after all', `kept, MB: after ${WARM}`, 'after all'], lines));
  return figures;
}

async function sizes(cluster: Cluster): Promise<Size[]> {
  const [usual, full]: [Size[], Size[]] = [[], []];
  const prepare = async (database: string, shape: Shape) => {
    await createWide(cluster, database, shape);
    return { database, shape, changes: wideChanges(shape), memoryMb: MEMORY_MB, invocations: INVOCATIONS.full };
  };
  for (const [index, [name, shape]] of Object.entries(SHAPES).entries()) {
    const of = await prepare(`rows${index}`, shape);
    const filling = fits(shape);
    for (const batch of BATCHES.filter((wanted) => 2 * wanted < filling))
      usual.push({
        ...{ key: `records${batch}Of${name.replace(' ', '')}`, name: `${batch.toLocaleString('en-US')} of ${name}` },
        ...{ batch, ...of, invocations: batch > FEW ? INVOCATIONS.full : INVOCATIONS.few },
      });
    const all = `${filling.toLocaleString('en-US')} of ${name}, all that a payload carries`;
    full.push({ key: `recordsFillingOf${name.replace(' ', '')}`, name: all, batch: filling, ...of });
  }
  full.push({ key: 'greatestRow', name: 'one of 4.6 MB', batch: 1, ...(await prepare('greatest', GREATEST_ROW)) });
  const withLess = LESS_MEMORY_MB.flatMap((memoryMb) =>
    full.map((size) => ({ ...size, key: `${size.key}In${memoryMb}`, memoryMb, invocations: INVOCATIONS.fullInLess })),
  );
  return [...usual, ...full, ...withLess];
}

const bytesOf = (event: unknown): number => Buffer.byteLength(JSON.stringify(event));

/** How many records of this shape Lambda delivers at once, at most 10,000; a multiple of ten, as updates and inserts come. */
function fits(shape: Shape): number {
  const count = 100;
  const [event] = wideChanges(shape)(count, count).events;
  // Later offsets and ids are a little longer.
  const recordBytes = (1.05 * bytesOf(event)) / count;
  return Math.min(BATCHES.at(-1) ?? 0, 10 * Math.floor(PAYLOAD_BYTES / recordBytes / 10));
}

type Measured = {
  /** After each invocation, the first one being that which loads the function. */
  readonly held: readonly Held[];
  readonly warmKeptMb: number;
  readonly lastKeptMb: number;
  readonly payloadBytes: number;
};

async function measure(cluster: Cluster, size: Size): Promise<Measured> {
  const { name, database, changes, batch, invocations } = size;
  const before = await countsOf(cluster, database);
  let output = '';
  const lambda = startApply(cluster, size, (text) => {
    output += text;
  });
  const heldNow = (): Held => heldBy(lambda.environments()[0]?.pid() ?? 0);
  try {
    // Loads the function, and has nothing to apply.
    await lambda.invoke({ eventSource: 'SelfManagedKafka', records: {} });
    const held = [heldNow()];
    let [payloadBytes, firstStamp, warmKeptMb] = [0, Number.POSITIVE_INFINITY, Number.NaN];
    while (held.length <= invocations) {
      const queued = changes(batch, batch);
      const [event] = queued.events;
      firstStamp = Math.min(firstStamp, queued.firstStamp);
      payloadBytes = Math.max(payloadBytes, bytesOf(event));
      const response = await lambda.invoke(event);
      if (JSON.stringify(response) !== '{"batchItemFailures":[]}')
        throw new Error(`${name}: ${JSON.stringify(response)}\n${output}`);
      held.push(heldNow());
      if (held.length === WARM + 1) warmKeptMb = await keptMb(lambda.invoke);
    }
    const lastKeptMb = await keptMb(lambda.invoke);
    if (lambda.environments().length !== 1) throw new Error(`${name}: more than one process`);
    checkKept(size, warmKeptMb, lastKeptMb);
    await check(cluster, size, before, firstStamp);
    return { held, warmKeptMb, lastKeptMb, payloadBytes };
  } finally {
    await lambda.stop();
  }
}

function checkKept({ name, memoryMb, invocations }: Size, warmMb: number, lastMb: number): void {
  if (lastMb - warmMb <= GROWTH_MB) return;
  const from = `${warmMb.toFixed(1)} MB after ${WARM} invocations`;
  throw new Error(`${name}, function of ${memoryMb} MB: keeps ${lastMb.toFixed(1)} MB after ${invocations}, ${from}`);
}

/** All was applied, and of each row the last version is there as it was sent. */
async function check(
  cluster: Cluster,
  { name, batch, invocations, database, shape }: Size,
  before: Counts,
  firstStamp: number,
) {
  const changes = batch * invocations;
  const updates = Math.round(changes * UPDATED_SHARE);
  const after = await countsOf(cluster, database);
  const written = await withDatabase(cluster, database, (sql) => countWritten(sql, shape, firstStamp));
  const counted = [after.received - before.received, after.applied - before.applied, written];
  const expected = [changes, changes, changes - updates + Math.min(updates, shape.rows)];
  if (JSON.stringify(counted) !== JSON.stringify(expected))
    throw new Error(`${name}: received, applied, and there as sent are ${counted}, not ${expected}`);
}

function startApply(cluster: Cluster, { database, shape, memoryMb }: Size, onOutput: (text: string) => void): Lambda {
  const url = new URL(cluster.url(database, 'concord_apply'));
  // On Lambda there is one; this server does not look at it.
  url.password = 'not-asked-for';
  const environment = {
    CONCORD_REGION: HERE,
    CONCORD_DATABASE_URL: url.href,
    NODE_OPTIONS: '--enable-source-maps',
  };
  return startLambda({
    ...{ name: 'bench', region: HERE, memoryMb, timeoutMs: TIMEOUT_MS, environment, onOutput },
    code: measuredFolder(functionFolder('apply', wideTopology(shape))),
    layers: LAYER_NAMES.map(layerFolder),
  });
}

type Counts = { readonly received: number; readonly applied: number };

const countsOf = (cluster: Cluster, database: string): Promise<Counts> =>
  withDatabase(cluster, database, async (sql) => {
    const [row] = await sql.unsafe<Counts[]>(
      'select coalesce(sum(received), 0)::float8 as received, coalesce(sum(applied), 0)::float8 as applied from concord.watermark',
    );
    return row ?? { received: 0, applied: 0 };
  });
