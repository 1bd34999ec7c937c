import { setTimeout as delay } from 'node:timers/promises';
import type { Sql } from '@concord/runtime';
import { openConnection } from '../../region/connection.ts';
import type { Link } from '../../region/link.ts';
import type { Region } from '../../region.ts';
import { FRAGILE, type Story } from '../story.ts';

const KILL_AT = 0.6;
const HOT_USER = 1;
const POLL_MS = 5;

/**
 * One apply function, a process of its own here, is killed while its transaction is open. To catch it there for certain, a
 * client of the target keeps the last row of a batch locked: users come after orders and products, so the rest is written.
 */
export async function anApplyIsKilled({ regions, screen, moment }: Story): Promise<void> {
  const [target, source] = [regions.all[FRAGILE.into], regions.all[FRAGILE.from]] as [Region, Region];
  const link = regions.links.find(({ into, from }) => into === target.name && from === source.name) as Link;
  await moment(KILL_AT);
  screen.act(`The function that applies ${source.name} in ${target.name} is killed in mid-batch`);
  const [holder, writer, observer] = [target, source, target].map(({ url }) => openConnection(url())) as [
    Sql,
    Sql,
    Sql,
  ];
  await holder.begin(async (tx) => {
    await tx`select from users where id = ${HOT_USER} for update`;
    await writeBatch(writer);
    await blockedInTransaction(observer);
    link.environment.kill();
  });
  await link.mapping.drained();
  await Promise.all([holder, writer, observer].map((sql) => sql.end({ timeout: 1 })));
  screen.say(
    'SIGKILL while its rows were written and not committed: PostgreSQL rolled them back, and no counter moved',
  );
  screen.say('a new process got the same batch again, in order: a change that arrives twice changes nothing');
}

const writeBatch = (sql: Sql): Promise<unknown> =>
  sql.begin(async (tx) => {
    await tx`update orders set status = 'paid' where id <= 5`;
    await tx`update products set inventory_count = inventory_count + 1 where id between 9 and 14`;
    await tx`update users set status = 'loyal' where id = ${HOT_USER}`;
  });

/** Waits until the function's transaction has come to the locked row. */
async function blockedInTransaction(sql: Sql): Promise<void> {
  for (;;) {
    const blocked = await sql`
      select from pg_stat_activity where application_name = 'concord-apply' and wait_event_type = 'Lock' and state = 'active'`;
    if (blocked.length > 0) return;
    await delay(POLL_MS);
  }
}
