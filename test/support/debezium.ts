import { after } from 'node:test';
import type { Kafka } from 'kafkajs';
import type { Carrier, CarrierOptions } from '../../local/carrier/carrier.ts';
import { type KafkaPlace, kafkaCarrier } from '../../local/carrier/kafka.ts';
import type { Broker } from '../../local/kafka/broker.ts';
import { closeClient, kafkaClient } from '../../local/kafka/client.ts';
import { type ConnectWorker, startConnect } from '../../local/kafka/connect.ts';
import { kafkaSource } from '../../local/kafka/source.ts';
import type { SourceRecord } from '../../local/mapping/source.ts';
import { useKafka } from './kafka.ts';

export type Debezium = {
  readonly broker: Broker;
  readonly connect: ConnectWorker;
  /** May do everything in the broker of this run. */
  readonly kafka: Kafka;
  readonly place: KafkaPlace;
  /** What the broker's clients and the carriers warned of. */
  readonly warnings: string[];
  /** Topics of a topology's regions and, with `capture`, their connectors. Region names must be this file's own. */
  readonly carrier: (options: Omit<CarrierOptions, 'onWarning'>) => Promise<Carrier>;
};

/** A Connect worker of this file on the broker of this run. Call it at the top of a file; it is stopped at the end. */
export function useDebezium(): () => Promise<Debezium> {
  const kafka = useKafka();
  let starting: Promise<Debezium> | undefined;
  const carriers: Carrier[] = [];
  const start = async (): Promise<Debezium> => {
    const { software, broker } = await kafka();
    const connect = await startConnect({ software, broker });
    const warnings: string[] = [];
    const onWarning = (message: string): void => void warnings.push(message);
    const client = kafkaClient({ bootstrap: broker.bootstrap, onWarning });
    const place: KafkaPlace = {
      connectUrl: connect.url,
      admin: client,
      clientOf: () => client,
      captureAccess: () => undefined,
    };
    const carrier: Debezium['carrier'] = async (options) => {
      const made = await kafkaCarrier(place)({ ...options, onWarning });
      carriers.push(made);
      return made;
    };
    return { broker, connect, kafka: client, place, warnings, carrier };
  };
  after(async () => {
    await Promise.all(carriers.map((carrier) => carrier.stop()));
    const started = await starting;
    if (started !== undefined) closeClient(started.kafka);
    await started?.connect.stop();
  });
  return () => {
    starting ??= start();
    return starting;
  };
}

export type TopicRecord = SourceRecord & { readonly partition: number };

/** All records of a topic as it stands now, each partition in order. */
export async function readTopic(kafka: Kafka, topic: string): Promise<TopicRecord[]> {
  const group = `read.${topic}.${process.hrtime.bigint()}`;
  const source = await kafkaSource({ kafka, topic, group, from: 'TRIM_HORIZON', onWarning: () => undefined });
  try {
    const ends = await source.ends();
    const records: TopicRecord[] = [];
    for (const [partition, end] of ends) {
      let next = await source.committed(partition);
      while (next < end) {
        await source.wait(new Map([[partition, next]]), new AbortController().signal);
        const found = await source.read(partition, next, 10_000, 64 * 1_048_576);
        records.push(...found.map((record) => ({ ...record, partition })));
        next = (found.at(-1)?.offset ?? next - 1) + 1;
      }
    }
    return records;
  } finally {
    await source.stop();
  }
}
