import { connect, credentialsOf, emit, logger, readConfig, wake } from '@concord/runtime';
import middy from '@middy/core';
import { createApply } from './apply.ts';

const { region, topology, database } = readConfig();
const credentials = credentialsOf(database);
const sql = connect({ ...database, credentials, applicationName: 'concord-apply' });

const apply = createApply({
  sql,
  wake: () => wake(sql, credentials),
  topology,
  now: () => Date.now() * 1000,
  onBatch: (tally) => emit({ region }, tally),
  onWarning: (message, error) => logger.warn(message, { error: error as Error }),
});

export const handler = middy<unknown>()
  .use({
    onError: ({ error }) => logger.error('the batch failed and will be delivered again', { error: error as Error }),
  })
  .handler((event, context) => apply(event, context));
