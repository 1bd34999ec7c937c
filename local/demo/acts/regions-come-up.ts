import { readFile } from 'node:fs/promises';
import type { StartCarrier } from '../../carrier/carrier.ts';
import { regionNames } from '../../region/names.ts';
import { makeTemplate } from '../../region/template.ts';
import { type Regions, startRegions } from '../../region.ts';
import { priorityOf, TABLES } from '../policies.ts';
import type { Screen } from '../screen/screen.ts';
import { FRAGILE } from '../story.ts';

const SCHEMA = new URL('../shop.sql', import.meta.url);

/**
 * How long each link gathers a batch, ms, per link that there is: so many transactions a second, and no more, whatever the
 * number of regions. Eight regions have 56 links.
 */
const WINDOW_MS_PER_LINK = 2;

/** One PostgreSQL per region with the schema of a shop, enrolled and replicating. */
export async function regionsComeUp(count: number, screen: Screen, carrier?: StartCarrier): Promise<Regions> {
  const startedAtMs = performance.now();
  const names = regionNames(count);
  screen.act(`${count} regions come up, each with a PostgreSQL of its own`);
  const schema = await readFile(SCHEMA, 'utf8');
  const { template } = await makeTemplate({
    database: 'shop',
    load: (sql) => sql.unsafe(schema).simple(),
  });
  const isFragile = (into: string, from: string): boolean =>
    into === names[FRAGILE.into] && from === names[FRAGILE.from];
  const regions = await startRegions({
    regions: names,
    template,
    tables: TABLES,
    priority: priorityOf(names),
    ...(carrier && { carrier }),
    batchWindowMs: WINDOW_MS_PER_LINK * count * (count - 1),
    place: (into, from) => (isFragile(into, from) ? 'child' : 'process'),
    onWarning: (message) => screen.say(message),
  });
  await template.remove();
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  screen.say(`${names.join(', ')}: up and replicating after ${seconds} s`);
  return regions;
}
