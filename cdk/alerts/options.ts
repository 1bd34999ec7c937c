import type { TopologyProblem } from '@concord/events';

/**
 * Whom the hub tells of conflicts in tables with `review: alert` or `manual`. Without such a table none of it is deployed. About
 * 4 USD/month for two keys and the functions' runs, each minute; SNS takes 0.50 USD per million messages, mails 2 USD per 100,000.
 */
export type AlertOptions = {
  /** A topic of yours in the hub's region; with a key of its own where it has one. Default: `concord-conflicts` is made. */
  readonly topic?: { readonly arn: string; readonly keyArn?: string };
  /** Gets each conflict as JSON from the topic that is made; AWS asks the address to confirm. Default: subscribe to the topic yourself. */
  readonly email?: string;
  /**
   * Gets each conflict as a signed POST request (docs/deploy.md). The secret, in the hub's region, is a random text of 16 characters
   * or more that the receiver has as well; `keyArn` is its key where that is not the one that AWS manages.
   */
  readonly webhook?: { readonly url: string; readonly secretArn: string; readonly keyArn?: string };
};

/** Options that would only fail once something is to be told. */
export function* alertProblems({ topic, email, webhook }: AlertOptions, hub: string): Generator<TopologyProblem> {
  const inHub = (service: string): RegExp => new RegExp(`^arn:[^:]+:${service}:${hub}:[0-9]{12}:.+`);
  if (topic !== undefined && !inHub('sns').test(topic.arn))
    yield { path: 'alerts.topic.arn', reason: `'${topic.arn}' is no topic in ${hub}`, hint: `arn:aws:sns:${hub}:…` };
  if (topic !== undefined && email !== undefined)
    yield { path: 'alerts.email', reason: 'the topic is yours', hint: 'subscribe the address to it yourself' };
  if (webhook === undefined) return;
  if (!/^https:\/\/[^/@]+(?:\/|$)/.test(webhook.url) || !URL.canParse(webhook.url))
    yield { path: 'alerts.webhook.url', reason: `'${webhook.url}' is not https://…`, hint: 'what is sent holds rows' };
  if (!inHub('secretsmanager').test(webhook.secretArn))
    yield {
      path: 'alerts.webhook.secretArn',
      reason: `'${webhook.secretArn}' is no secret in ${hub}`,
      hint: `arn:aws:secretsmanager:${hub}:…, with its last six characters`,
    };
}
