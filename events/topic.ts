import { isRegionName } from './region.ts';

const CDC = 'cdc.';
const INTERNAL = 'concord.';

/** Why Concord itself hands records to `apply`; such records carry any region's versions and have no watermark. */
export type Purpose = 'repair' | 'redrive' | 'drain';

/** `topicOf('eu-west-1')` is `cdc.eu-west-1`: one topic per source region. */
export const topicOf = (region: string): string => CDC + region;

/** `internalTopic('redrive')` is `concord.redrive`. */
export const internalTopic = (purpose: Purpose): string => INTERNAL + purpose;

/** The source region of a `cdc.<region>` topic, or undefined for any other topic. */
export const regionOfTopic = (topic: string): string | undefined => {
  if (!topic.startsWith(CDC)) return undefined;
  const region = topic.slice(CDC.length);
  return isRegionName(region) ? region : undefined;
};

export const isInternalTopic = (topic: string): boolean =>
  topic === 'concord.repair' || topic === 'concord.redrive' || topic === 'concord.drain';

/** `groupOf('us-east-1', 'eu-west-1')` is `concord.eu-west-1.us-east-1`: one consumer group per event source mapping. */
export const groupOf = (from: string, into: string): string => `concord.${into}.${from}`;
