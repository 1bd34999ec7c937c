import { topicOf } from '@concord/events';
import type { Kafka } from 'kafkajs';
import type { StartCarrier } from '../../../local/carrier/carrier.ts';
import { startEmbedded } from '../../../local/carrier/embedded.ts';
import { kafkaCarrier } from '../../../local/carrier/kafka.ts';
import { type LocalKafka, startKafkaPlace } from '../../../local/carrier/kafka-place.ts';
import { ToolchainMissing } from '../../../local/kafka/software.ts';
import { withAdmin } from '../../../local/kafka/topics.ts';
import { withConnection } from '../../../local/region/connection.ts';
import { makeTemplate } from '../../../local/region/template.ts';
import { type Regions, startRegions } from '../../../local/region.ts';
import { DURABLE } from '../durable.ts';
import { createTable, TABLE, values } from '../users-table.ts';
import { type Client, startClient } from './client.ts';

/** The region that is written, and the one that its changes go to. All four are up at a time. */
const PAIRS = { embedded: ['us-east-1', 'eu-west-1'], kafka: ['us-west-2', 'eu-central-1'] } as const;
const PARTITIONS = 8;
const BATCH_SIZE = 10_000;
const CONNECTIONS = 8;
/** The client's rows; what a benchmark writes itself has ids below. */
const CLIENT_IDS = 1e9;

/** Inserts a row per `i` of the query `ids`. */
export const insertOf = (ids: string): string => `insert into ${TABLE} select i, ${values('i', '1')} from (${ids}) i`;

/** Two regions, and an application that writes the one and looks at the other. */
export type Contestant = {
  readonly name: keyof typeof PAIRS;
  readonly source: string;
  readonly target: string;
  readonly regions: Regions;
  readonly client: Client;
  /** Changes that have come out of the source so far; Kafka counts heartbeats, one a second, as well. */
  readonly captured: () => Promise<number>;
};

type Carried = Pick<Contestant, 'name'> & {
  readonly carrier: StartCarrier;
  readonly captured: (regions: Regions) => Promise<number>;
};

/** Two regions over the embedded capture and log, and two over real Debezium and Kafka where there are Java and Maven. */
export async function withContestants<T>(
  say: (line: string) => void,
  use: (contestants: readonly Contestant[]) => Promise<T>,
): Promise<T> {
  const place = await kafkaPlace(say);
  const embedded: Carried = {
    name: 'embedded',
    carrier: startEmbedded,
    captured: async ({ captures }) => captures.get(PAIRS.embedded[0])?.captured() ?? 0,
  };
  const contestants: Contestant[] = [];
  try {
    for (const carried of place ? [embedded, kafkaOf(place)] : [embedded]) contestants.push(await start(carried, say));
    return await use(contestants);
  } finally {
    for (const { client, regions } of contestants) {
      await client.close();
      await regions.stop();
    }
    await place?.stop();
  }
}

async function kafkaPlace(say: (line: string) => void): Promise<LocalKafka | undefined> {
  const options = { regions: PAIRS.kafka, secure: false, compiler: 'peak', onProgress: say, onWarning: say } as const;
  try {
    return await startKafkaPlace(options);
  } catch (error) {
    if (!(error instanceof ToolchainMissing)) throw error;
    say(`without Kafka and Debezium: ${error.message}: ${error.hint}`);
    return undefined;
  }
}

const kafkaOf = (place: LocalKafka): Carried => ({
  name: 'kafka',
  carrier: kafkaCarrier(place),
  captured: () => endOf(place.admin, topicOf(PAIRS.kafka[0])),
});

const endOf = (kafka: Kafka, topic: string): Promise<number> =>
  withAdmin(kafka, async (admin) => {
    const ends = await admin.fetchTopicOffsets(topic);
    return ends.reduce((sum, { high }) => sum + Number(high), 0);
  });

async function start({ name, carrier, captured }: Carried, say: (line: string) => void): Promise<Contestant> {
  say(`${name}: two regions come up`);
  const { template } = await makeTemplate({ database: 'bench', load: (sql) => sql.unsafe(createTable(TABLE)) });
  const onWarning = (message: string): void => say(`${name}: ${message}`);
  const [source, target] = PAIRS[name];
  const options = { regions: PAIRS[name], template, tables: [TABLE], partitions: PARTITIONS, carrier, onWarning };
  const regions = await startRegions({ ...options, batchSize: BATCH_SIZE, settings: DURABLE });
  await template.remove();
  await requireDurable(name, regions);
  const urls = { source: regions.named(source).url(), target: regions.named(target).url() };
  const insert = insertOf('select $1::bigint as i');
  const client = startClient({ ...urls, connections: CONNECTIONS, table: TABLE, insert, firstId: CLIENT_IDS });
  return { name, source, target, regions, client, captured: () => captured(regions) };
}

/** Figures without the time of a disk must not be mistaken for others: throws unless commits wait for it everywhere. */
async function requireDurable(name: string, regions: Regions): Promise<void> {
  for (const { name: region, url } of regions.all) {
    const [found = { nothing: '' }] = await withConnection(url(), (sql) =>
      sql.unsafe<Record<string, string>[]>(DURABILITY),
    );
    if (Object.values(found).some((value) => value !== 'on'))
      throw new Error(`${name}: ${region} has ${JSON.stringify(found)}`);
  }
}

const DURABILITY = /* sql */ `
select current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
  current_setting('synchronous_commit') as synchronous_commit`;

/** Throws unless both regions hold the same rows, so many. */
export async function checkEqual({ name, regions }: Contestant, rows: number): Promise<void> {
  await regions.drained();
  const { equal, differences, rows: found } = await regions.compare();
  if (!equal) throw new Error(`${name}: ${differences.join('\n')}`);
  if (found !== rows) throw new Error(`${name}: ${found} rows instead of ${rows}`);
}
