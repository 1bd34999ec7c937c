const SEED = 0x9747b28c;
const M = 0x5bd1e995;

const mix = (k: number): number => {
  const a = Math.imul(k, M);
  return Math.imul(a ^ (a >>> 24), M);
};

/** Kafka's 32-bit murmur2 (org.apache.kafka.common.utils.Utils#murmur2), as a signed integer. */
export function murmur2(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const whole = data.length & ~3;
  let h = SEED ^ data.length;
  for (let i = 0; i < whole; i += 4) h = Math.imul(h, M) ^ mix(view.getInt32(i, true));
  let rest = 0;
  for (let i = data.length - 1; i >= whole; i--) rest = (rest << 8) | (data[i] ?? 0);
  if (data.length > whole) h = Math.imul(h ^ rest, M);
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}

const utf8 = new TextEncoder();

/** The partition that Kafka's default partitioner gives to a record with this key: 0 … partitions − 1. */
export const partitionOf = (key: string, partitions: number): number =>
  (murmur2(utf8.encode(key)) & 0x7fffffff) % partitions;
