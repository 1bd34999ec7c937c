import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { FAILED_BATCH_PREFIX } from '@concord/events';
import type { FailedBatches } from './drain.ts';

/** The given-up batches of a bucket. */
export function bucketOf(Bucket: string, s3: S3Client): FailedBatches {
  return {
    async *keys() {
      let ContinuationToken: string | undefined;
      do {
        const list = { Bucket, Prefix: FAILED_BATCH_PREFIX, ...(ContinuationToken && { ContinuationToken }) };
        const page = await s3.send(new ListObjectsV2Command(list));
        yield (page.Contents ?? []).flatMap(({ Key }) => (Key === undefined ? [] : [Key]));
        ContinuationToken = page.NextContinuationToken;
      } while (ContinuationToken !== undefined);
    },
    read: async (Key) => {
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
        return (await Body?.transformToString()) ?? '';
      } catch (error) {
        if ((error as Error).name === 'NoSuchKey') return undefined;
        throw error;
      }
    },
    remove: async (Key) => void (await s3.send(new DeleteObjectCommand({ Bucket, Key }))),
  };
}
