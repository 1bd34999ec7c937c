import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Sql } from '@concord/runtime';

const CHUNK_BYTES = 1 << 16;

function* chunks(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

/** Sends data to a `COPY … FROM STDIN`. Rejects with PostgreSQL's error. */
export async function copyIn(sql: Sql, statement: string, data: string | Buffer): Promise<void> {
  const query = sql.unsafe(statement);
  const failed = lateErrorOf(query);
  const stream = await query.writable();
  const sending = pipeline(Readable.from(chunks(Buffer.from(data))), stream);
  sending.catch(() => undefined);
  failed.catch(() => stream.destroy());
  await Promise.race([sending, failed]);
}

/**
 * postgres.js resolves the query with the stream, so what PostgreSQL refuses of the data would reject a promise that is
 * resolved: the error would be lost and the stream would never finish.
 */
function lateErrorOf(query: object): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const settle = query as { reject: (error: unknown) => void };
  const rejectQuery = settle.reject;
  settle.reject = (error) => {
    rejectQuery(error);
    reject(error);
  };
  return promise;
}
