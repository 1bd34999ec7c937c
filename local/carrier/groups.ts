/** `groupOf('us-east-1', 'eu-west-1')` is `concord.eu-west-1.us-east-1`: one consumer group per event source mapping. */
export const groupOf = (from: string, into: string): string => `concord.${into}.${from}`;
