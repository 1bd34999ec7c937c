import { conflictsFunction, outboxFunction, walked } from '@concord/events';
import Type from 'typebox';
import { checkWebhookUrl } from './webhook.ts';

const AlertVariable = Type.Object({
  topicArn: Type.Optional(Type.String()),
  webhook: Type.Optional(Type.Object({ url: Type.String(), secretArn: Type.String() })),
  /** Of regions whose account is not the hub's. */
  accounts: Type.Optional(Type.Record(Type.String(), Type.String({ pattern: '^[0-9]{12}$' }))),
});

export type AlertSettings = {
  /** Name of the function that keeps the alerts, in the hub. */
  readonly outbox: string;
  /** Name, or account and name, of the function that reads a region's log. */
  readonly conflicts: (region: string) => string;
  readonly topicArn: string | undefined;
  readonly webhook: { readonly url: string; readonly secretArn: string } | undefined;
};

const checked = walked(AlertVariable);

/** `CONCORD_ALERTS`, a JSON object. Throws with the first path that does not fit. */
export function parseSettings(hub: string, text: string): AlertSettings {
  const value: unknown = JSON.parse(text);
  if (!checked.Check(value)) {
    const [first] = checked.Errors(value);
    throw new Error(`configuration: CONCORD_ALERTS: ${first?.instancePath || '/'} ${first?.message ?? ''}`);
  }
  const { topicArn, webhook, accounts = {} } = value;
  if (webhook !== undefined) checkWebhookUrl(webhook.url);
  return {
    outbox: outboxFunction(hub),
    conflicts: (region) => {
      const account = accounts[region];
      const name = conflictsFunction(region);
      return account === undefined ? name : `${account}:function:${name}`;
    },
    topicArn,
    webhook,
  };
}
