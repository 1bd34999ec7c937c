import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { RunStore } from './context.ts';

/** Runs in a bucket: pages as HTML, all else as JSON. */
export function s3Store(Bucket: string, s3: S3Client): RunStore {
  return {
    read: async (Key) => {
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
        const text = (await Body?.transformToString()) ?? '';
        return isPage(Key) ? text : JSON.parse(text);
      } catch (error) {
        if ((error as Error).name === 'NoSuchKey') return undefined;
        throw error;
      }
    },
    write: async (Key, value) => {
      const [Body, ContentType] = isPage(Key)
        ? [String(value), 'text/html; charset=utf-8']
        : [JSON.stringify(value), 'application/json'];
      await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentType }));
    },
  };
}

const isPage = (name: string): boolean => name.endsWith('.html');
