import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  ChangeEvent,
  CONNECTOR_FIELDS,
  changeKey,
  HEARTBEAT_TABLE,
  heartbeatIds,
  internalTopic,
  LOCAL_COLUMN,
  OVERSIZED,
  STAMP_COLUMNS,
  tombstoneSchema,
  topicOf,
  UNAVAILABLE,
} from '@concord/events';
import { connectorSettings } from '../../connector/settings.ts';
import { topologyOf } from '../support/regions.ts';

const HASH = '26bd3e65e3e7a0cc439597beaf4b5f2e133e4656d1a2ae7d2a59d6cbe77ff586';

const WHAT_TO_DO = `
What crosses between regions has changed. Regions are deployed one after the other, so for a while the old apply reads what the
new connector writes, and the other way round; topics also keep a week of the old form. Before you set the new hash:
  1. Can the old apply read the new form, and the new apply the old one? If not, make it so: a new field is optional, an
     old one stays until every topic has forgotten it.
  2. If the old apply cannot, release apply in all regions first and the connectors afterwards, and say so in docs/capture.md.
  3. Change events/change.sample.json, docs/capture.md and docs/types.md along with it.
Then replace HASH in this file by the actual value below.`;

/** What shapes a record: neither names of databases nor tuning. */
const SHAPES =
  /^(converters|text\.|transforms|predicates|key\.converter|value\.converter|(decimal|interval|binary|hstore)\.handling|time\.precision|include\.unknown|unavailable|tombstones|skipped|extended)/;

function shapeOfRecords(): Record<string, string> {
  const settings = connectorSettings({
    topology: topologyOf({ names: ['a'], tables: [] }),
    region: 'a',
    database: { host: 'h', port: 5432, name: 'd', user: 'u', password: 'p' },
  });
  return Object.fromEntries(Object.entries(settings).filter(([name]) => SHAPES.test(name)));
}

test('the wire contract is what it was', () => {
  const contract = {
    sample: JSON.parse(readFileSync(new URL('../../events/change.sample.json', import.meta.url), 'utf8')),
    event: ChangeEvent,
    fields: { stamps: STAMP_COLUMNS, local: LOCAL_COLUMN, connector: CONNECTOR_FIELDS },
    placeholders: [UNAVAILABLE, OVERSIZED],
    key: changeKey({ b: '1', a: null }, 'public.t'),
    tombstones: tombstoneSchema('public'),
    topics: [topicOf('eu-west-1'), internalTopic('repair'), internalTopic('redrive'), internalTopic('drain')],
    heartbeat: [HEARTBEAT_TABLE, heartbeatIds(8)],
    records: shapeOfRecords(),
  };
  const hash = createHash('sha256').update(JSON.stringify(contract)).digest('hex');
  assert.equal(hash, HASH, WHAT_TO_DO);
});
