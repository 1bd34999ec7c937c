import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConflictNotice } from '@concord/events';
import type { Sending, Target } from './alert.ts';

export type WebhookOptions = {
  /** https, or http on this machine. */
  readonly url: string;
  /** Read for each sending: it may be changed at any time. */
  readonly secret: () => Promise<string>;
  /** Of one request, answer included. Default 5 s. */
  readonly timeoutMs?: number;
  /** Requests in one sending. Default 3. */
  readonly tries?: number;
  /** Before the second request; doubled before each further one, and spread at random. Default 250 ms. */
  readonly pauseMs?: number;
};

const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Throws when the URL is none that notices may be sent to. */
export function checkWebhookUrl(text: string): URL {
  const url = URL.parse(text);
  const isAllowed = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOCAL_HOSTS.has(url.hostname));
  if (url === null || !isAllowed) throw new Error('the webhook is not an https:// URL: notices hold rows');
  if (url.username !== '' || url.password !== '')
    throw new Error('the webhook has a password in its URL: the signature says who sends');
  return url;
}

/** `v1=<hex>`: HMAC-SHA256 of `<timestamp>.<body>`. */
export const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

/** Besides 5xx: worth another try at once. */
const AGAIN = new Set([408, 425, 429]);

/**
 * Posts `{"version": 1, "event": "conflict", "conflict": …}`, signed. 2xx: it has it. 408, 425, 429, 5xx and errors of the network are
 * tried again, here and later. Anything else is final; redirects are not followed, or rows would go where nobody has allowed them to.
 */
export function webhook({ url, secret, timeoutMs = 5000, tries = 3, pauseMs = 250 }: WebhookOptions): Target {
  const target = checkWebhookUrl(url);
  const post = async (notice: ConflictNotice): Promise<Sending> => {
    const body = JSON.stringify({ version: 1, event: 'conflict', conflict: notice });
    const timestamp = String(Math.floor(Date.now() / 1000));
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'concord',
      'idempotency-key': notice.id,
      'concord-conflict-id': notice.id,
      'concord-timestamp': timestamp,
      'concord-signature': signatureOf(await secret(), timestamp, body),
    };
    const signal = AbortSignal.timeout(timeoutMs);
    const { status, body: answer } = await fetch(target, { method: 'POST', body, headers, redirect: 'manual', signal });
    await answer?.cancel();
    if (status >= 200 && status < 300) return { outcome: 'sent' };
    const outcome = status >= 500 || AGAIN.has(status) ? 'failed' : 'refused';
    return { outcome, error: `${status}${status >= 300 && status < 400 ? ': redirects are not followed' : ''}` };
  };
  return {
    name: 'webhook',
    send: async (notice) => {
      for (let tried = 1; ; tried++) {
        const result = await post(notice).catch((error: Error) => ({
          outcome: 'failed' as const,
          error: reasonOf(error),
        }));
        if (result.outcome !== 'failed' || tried >= tries) return result;
        await delay(pauseMs * 2 ** (tried - 1) * (1 + Math.random()));
      }
    },
  };
}

/** fetch says only that it failed; the cause says why. */
function reasonOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error
    ? `${error.message}: ${cause.message || (cause as { code?: string }).code}`
    : error.message;
}
