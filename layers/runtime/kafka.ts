import { Buffer, isUtf8 } from 'node:buffer';
import type { KafkaEvent, KafkaRecord } from '@concord/events';

/** Why the bytes of a record are not even JSON that PostgreSQL could hold. */
export type Undecodable = {
  readonly reason: 'empty' | 'oversized' | 'not_utf8' | 'not_json' | 'nul' | 'surrogate';
  readonly error: string;
};

export type Decoded = { readonly ok: true; readonly value: unknown } | ({ readonly ok: false } & Undecodable);

/** JSON can spell neither in any other way once its bytes are UTF-8. */
const ESCAPE = '\\u';
const NUL_ESCAPE = '\\u0000';
const SURROGATE_ESCAPE = /\\ud[89a-f]/i;

/** The records of an invocation in the order of its partitions. */
export const recordsOf = (event: KafkaEvent): KafkaRecord[] => Object.values(event.records).flat();

export const rawBytes = (base64: string | null | undefined): Buffer | null =>
  base64 === undefined || base64 === null ? null : Buffer.from(base64, 'base64');

/**
 * Base64 → UTF-8 → JSON, once. Refuses what PostgreSQL's text could not hold (0x00, lone surrogates), since one such value
 * would make the statement of a whole batch fail. `maxBytes` counts the decoded bytes.
 */
export function decodeValue(base64: string | null | undefined, maxBytes: number): Decoded {
  if (base64 === undefined || base64 === null || base64 === '')
    return { ok: false, reason: 'empty', error: 'the record has no value' };
  if (base64.length * 0.75 - 2 > maxBytes)
    return {
      ok: false,
      reason: 'oversized',
      error: `about ${Math.floor(base64.length * 0.75)} bytes, the limit is ${maxBytes}`,
    };
  const bytes = Buffer.from(base64, 'base64');
  if (!isUtf8(bytes)) return { ok: false, reason: 'not_utf8', error: 'the value is not UTF-8' };
  const text = bytes.toString('utf8');
  try {
    return checkText(text, JSON.parse(text));
  } catch (error) {
    return { ok: false, reason: 'not_json', error: (error as Error).message };
  }
}

function checkText(text: string, value: unknown): Decoded {
  if (!text.includes(ESCAPE)) return { ok: true, value };
  if (text.includes(NUL_ESCAPE) && someText(value, (part) => part.includes('\0')))
    return { ok: false, reason: 'nul', error: 'a value contains 0x00, which PostgreSQL text cannot hold' };
  if (SURROGATE_ESCAPE.test(text) && someText(value, (part) => !part.isWellFormed()))
    return { ok: false, reason: 'surrogate', error: 'a value contains a lone surrogate, which UTF-8 cannot hold' };
  return { ok: true, value };
}

/** Does any name or text of a record (a flat object, or whatever was sent in its place) satisfy the test? */
function someText(value: unknown, test: (text: string) => boolean): boolean {
  if (typeof value === 'string') return test(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, part]) => test(name) || someText(part, test));
}
