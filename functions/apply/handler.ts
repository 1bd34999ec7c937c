import { parseTopology } from '@concord/events';
import { connect, emit, logger, readConfig } from '@concord/runtime';
import middy from '@middy/core';
import { createApply } from './apply.ts';

const config = readConfig();
const topology = parseTopology(JSON.parse(config.topologyJson));
if (!topology.ok)
  throw new Error(
    `topology: ${topology.problems.map(({ path, reason, hint }) => `${path} ${reason} (${hint})`).join('; ')}`,
  );

const apply = createApply({
  sql: connect({ url: config.databaseUrl, prepare: config.prepare, applicationName: 'concord-apply' }),
  topology: topology.topology,
  now: () => Date.now() * 1000,
  onBatch: (tally) => emit({ region: config.region }, tally),
  onWarning: (message, error) => logger.warn(message, { error: error as Error }),
});

export const handler = middy<unknown>()
  .use({
    onError: ({ error }) => logger.error('the batch failed and will be delivered again', { error: error as Error }),
  })
  .handler((event) => apply(event));
