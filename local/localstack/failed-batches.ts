import { randomUUID } from 'node:crypto';
import type { EventSourceMappingConfiguration } from '@aws-sdk/client-lambda';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { FAILED_BATCH_PREFIX, type FailedBatch as FailedBatchObject, type KafkaEvent } from '@concord/events';
import type { FailedBatch, MappingOptions } from '../mapping/event-source-mapping.ts';

/** What infinite retries are where there is a destination. */
const MOST_RETRIES = 10;
const retriesOf = ({ MaximumRetryAttempts = -1 }: EventSourceMappingConfiguration): number =>
  MaximumRetryAttempts < 0 ? MOST_RETRIES : MaximumRetryAttempts;

const BUCKET_ARN = /^arn:[^:]+:s3:::(.+)$/;

/** Only buckets: other destinations get no records, so Concord has none. */
export function destinationOf(
  deployed: EventSourceMappingConfiguration,
  bootstrapServers: string,
  s3: S3Client,
): Pick<MappingOptions, 'onFailure'> {
  const arn = deployed.DestinationConfig?.OnFailure?.Destination;
  if (arn === undefined) return {};
  const Bucket = BUCKET_ARN.exec(arn)?.[1];
  if (Bucket === undefined) throw new Error(`the on-failure destination ${arn} is no bucket`);
  return {
    onFailure: async (failed) => {
      const at = new Date().toISOString();
      const Key = `${FAILED_BATCH_PREFIX}${deployed.UUID}/${at.replaceAll(':', '.').slice(0, 19)}-${randomUUID()}`;
      const Body = JSON.stringify(objectOf(failed, deployed, bootstrapServers, at));
      await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentType: 'application/json' }));
    },
  };
}

type RecordsInfo = Readonly<Record<string, Readonly<Record<string, string>>>>;

function recordsInfo({ records }: KafkaEvent): RecordsInfo {
  const timestamp = (ms: number | undefined): string => new Date(ms ?? 0).toISOString();
  return Object.fromEntries(
    Object.entries(records).map(([partition, all]) => [
      partition,
      {
        firstRecordOffset: String(all[0]?.offset),
        lastRecordOffset: String(all.at(-1)?.offset),
        firstRecordTimestamp: timestamp(all[0]?.timestamp),
        lastRecordTimestamp: timestamp(all.at(-1)?.timestamp),
      },
    ]),
  );
}

/** As Lambda writes it: see `events/failed-batch.ts`. */
function objectOf(
  { event, condition }: FailedBatch,
  deployed: EventSourceMappingConfiguration,
  bootstrapServers: string,
  timestamp: string,
): FailedBatchObject {
  const payload = JSON.stringify({ ...event, eventSource: 'SelfManagedKafka', bootstrapServers } satisfies KafkaEvent);
  const requestContext = {
    requestId: randomUUID(),
    functionArn: deployed.FunctionArn,
    condition,
    approximateInvokeCount: retriesOf(deployed),
  };
  const info = {
    batchSize: Object.values(event.records).flat().length,
    eventSourceArn: deployed.EventSourceMappingArn,
    bootstrapServers,
    payloadSize: Buffer.byteLength(payload),
    recordsInfo: recordsInfo(event),
  };
  const responseContext = { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' };
  return { requestContext, responseContext, version: '1.0', timestamp, KafkaBatchInfo: info, payload };
}
