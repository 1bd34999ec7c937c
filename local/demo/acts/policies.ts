import { setTimeout as delay } from 'node:timers/promises';
import type { ConflictNotice } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { listConflicts } from '../../../functions/operate/conflicts.ts';
import { reinstate } from '../../../functions/operate/reinstate.ts';
import { alertLine, startAlerts } from '../../region/alerts.ts';
import { openConnection } from '../../region/connection.ts';
import type { Region } from '../../region.ts';
import type { Story } from '../story.ts';

const POLICIES_AT = 0.9;
const POLL_MS = 20;
/** Bought in every region at once, and by nobody else. */
const PRODUCT = 19;
const SALES_PER_REGION = 25;
const EMAIL = 'ada@shop.example';
/** Below what the sequences issue, so that no client comes upon the rows and writes to them. */
const REGISTERED_FROM = 21;
/** Nobody else's order. */
const ORDER = 18;

type Connections = ReadonlyMap<string, Sql>;

/**
 * What each table's own rule does with writes that meet: a counter, columns that are merged, one email twice, headquarters first, and
 * an operator who brings a loser back. Returns what did not turn out as it should; empty when all did.
 */
export async function policiesDecide(story: Story): Promise<string[]> {
  await story.moment(POLICIES_AT);
  const { all } = story.regions;
  const connections: Connections = new Map(all.map(({ name, url }) => [name, openConnection(url('shop'))]));
  try {
    return [
      ...(await everybodySells(story, connections)),
      ...(await headquartersFirst(story, connections)),
      ...(await oneEmailTwice(story, connections)),
    ];
  } finally {
    await Promise.all([...connections.values()].map((sql) => sql.end({ timeout: 1 })));
  }
}

const sqlOf = (connections: Connections, { name }: Region): Sql => connections.get(name) as Sql;

/** Waits until every region answers alike, and as it should. What they answer in the end, where they do not within a while. */
async function everywhere(connections: Connections, query: string, expected: string): Promise<string[]> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const answers = await Promise.all(
      [...connections].map(
        async ([name, sql]) => [name, (await sql.unsafe<{ text: string }[]>(query))[0]?.text] as const,
      ),
    );
    const wrong = answers.filter(([, text]) => text !== expected);
    if (wrong.length === 0) return [];
    if (performance.now() > deadlineMs)
      return wrong.map(([name, text]) => `${name} has ${text} in place of ${expected}`);
    await delay(POLL_MS);
  }
}

/** Every region sells the same product while one changes its price and another its name: nothing of it is lost. */
async function everybodySells({ regions, screen }: Story, connections: Connections): Promise<string[]> {
  screen.act('All regions sell the same product at once, one renames it, one changes its price');
  const [first, last] = [regions.all[0], regions.all.at(-1)] as [Region, Region];
  const [before] = await sqlOf(connections, first)<{ count: string }[]>`
    select inventory_count::text as count from products where id = ${PRODUCT}`;
  const sell = async (sql: Sql): Promise<void> => {
    for (let sold = 0; sold < SALES_PER_REGION; sold++)
      await sql`update products set inventory_count = inventory_count - 1 where id = ${PRODUCT}`;
  };
  await Promise.all([
    ...[...connections.values()].map(sell),
    sqlOf(connections, first)`update products set name = 'Limited edition' where id = ${PRODUCT}`,
    sqlOf(connections, last)`update products set price = 42.00 where id = ${PRODUCT}`,
  ]);
  const sold = SALES_PER_REGION * regions.all.length;
  const left = Number(before?.count) - sold;
  const wrong = await everywhere(
    connections,
    `select inventory_count || ' ' || name || ' ' || price as text from products where id = ${PRODUCT}`,
    `${left} Limited edition 42.00`,
  );
  if (wrong.length === 0)
    screen.say(
      `${before?.count} − ${regions.all.length} × ${SALES_PER_REGION} = ${left} left in every region, with the new name and the new price (policy merge, counter)`,
    );
  return wrong;
}

/** Two regions move one order at the same moment: headquarters' word counts, although the other wrote last. */
async function headquartersFirst({ regions, screen }: Story, connections: Connections): Promise<string[]> {
  const [hub, other] = [regions.all[0], regions.all[1]] as [Region, Region];
  screen.act(`${hub.name} and ${other.name} change the same order, ${other.name} a moment later`);
  // Neither hears of the other before it has written.
  regions.holdInbound(other.name);
  await sqlOf(connections, hub)`update orders set status = 'cancelled' where id = ${ORDER}`;
  await sqlOf(connections, other)`update orders set status = 'shipped anyway' where id = ${ORDER}`;
  regions.releaseInbound(other.name);
  const query = `select status as text from orders where id = ${ORDER}`;
  const wrong = await everywhere(connections, query, 'cancelled');
  if (wrong.length > 0) return wrong;
  screen.say(`${hub.name} wins everywhere (policy priority); the loser is in the log with its image`);
  await asOperator(other, async (operator) => {
    const { conflicts } = await listConflicts(operator, { filter: { table: 'public.orders', key: [String(ORDER)] } });
    await reinstate(operator, conflicts[0]?.id ?? 'none');
  });
  screen.say('an operator brings it back (concord reinstate): one new write, which travels as any other');
  return everywhere(connections, query, 'shipped anyway');
}

type Registered = { readonly region: Region; readonly id: string; readonly stamp: string };

/** Two regions register one email at once: the earlier is visible, the other is held, until it gets an address of its own. */
async function oneEmailTwice(story: Story, connections: Connections): Promise<string[]> {
  const { regions, screen } = story;
  const two = regions.all.slice(0, 2);
  screen.act(`${two.map(({ name }) => name).join(' and ')} register ${EMAIL} at once`);
  const register = async (region: Region, index: number): Promise<Registered> => {
    const [row] = await sqlOf(connections, region)<{ id: string; stamp: string }[]>`
      insert into users (id, username, email, full_name)
      values (${REGISTERED_FROM + index}, 'ada', ${EMAIL}, ${`registered in ${region.name}`})
      returning id::text, to_char(_last_updated, 'YYYY-MM-DD HH24:MI:SS.US') || _source_region as stamp`;
    return { region, id: row?.id ?? '', stamp: row?.stamp ?? '' };
  };
  for (const { name } of two) regions.holdInbound(name);
  const registered = await Promise.all(two.map(register));
  for (const { name } of two) regions.releaseInbound(name);
  const [earlier, later] = registered.sort((a, b) => (a.stamp < b.stamp ? -1 : 1)) as [Registered, Registered];
  const nameOf = (email: string): string => `select full_name as text from users where email = '${email}'`;
  const wrong = await everywhere(connections, nameOf(EMAIL), `registered in ${earlier.region.name}`);
  if (wrong.length > 0) return wrong;
  screen.say(
    `the earlier is visible everywhere; that of ${later.region.name} is held with its image, nothing is deleted`,
  );
  const told = await tell(story, later);
  if (told.length > 0) return told;
  const email = `${later.region.name}.${EMAIL}`;
  await asOperator(later.region, async (operator) => {
    const filter = { table: 'public.users', kind: 'multiple_unique_conflicts', key: [later.id] };
    const { conflicts } = await listConflicts(operator, { filter });
    await reinstate(operator, conflicts[0]?.id ?? 'none', { set: { email } });
  });
  screen.say('an operator gives it an address of its own: concord reinstate <id> --set email=…');
  return everywhere(connections, nameOf(email), `registered in ${later.region.name}`);
}

/** The hub tells people of the conflicts of all regions, each once, whoever logged it. */
async function tell({ regions, screen }: Story, held: Registered): Promise<string[]> {
  const told: ConflictNotice[] = [];
  const problems: string[] = [];
  const alerts = startAlerts({
    regions: regions.all,
    onAlert: (notice) => told.push(notice),
    onWarning: (message) => problems.push(message),
  });
  await alerts.pass().finally(alerts.stop);
  const notice = told.find(({ kind, key }) => kind === 'multiple_unique_conflicts' && key[0] === held.id);
  if (notice === undefined) problems.push('the administrator was not told of the second registration');
  else screen.say(`the administrator is told: ${alertLine(notice)}`);
  const times = new Set(told.map(({ id }) => id)).size;
  if (times !== told.length) problems.push(`${told.length - times} conflicts were told twice`);
  return problems;
}

async function asOperator(region: Region, work: (operator: Sql) => Promise<void>): Promise<void> {
  const operator = openConnection(region.url('concord_operator'));
  try {
    await work(operator);
  } finally {
    await operator.end({ timeout: 1 });
  }
}
