import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { mixed, type Random, randomFrom } from '../simulation/random.ts';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { kafkaRecord, localVersions, type Message } from '../support/records.ts';
import { createRegions, type Region } from '../support/regions.ts';

const NAMES = ['ap-1', 'eu-1', 'us-1'] as const;
const SCHEMA = /* sql */ `
create table users (id int primary key, email text unique, phone int, name text, unique nulls not distinct (phone));`;
const TABLE = 'public.users';
/** `CONCORD_SEED=…` runs one round with that seed again. */
const SEED = Number(process.env.CONCORD_SEED ?? 20_261_121);
const ROUNDS = process.env.CONCORD_SEED === undefined ? 10 : 1;
const WRITES = 36;

closeEnvironments();

type Texts = Readonly<Record<string, string | null>>;
type Sent = { readonly from: string; readonly message: Message };

const EMAILS = ['a', 'b', 'c'] as const;
const value = (random: Random): string =>
  random.chance(0.1) ? 'null' : random.chance(0.8) ? `'${random.pick(EMAILS)}'` : `'own ${random.below(1000)}'`;
const phone = (random: Random): string =>
  random.chance(0.7) ? String(100 + random.below(1000)) : random.pick(['null', '1', '2']);

/** What applications do: insert what they do not see, change, delete; a value that is taken here is refused here. */
async function write(region: Region, random: Random): Promise<Message[]> {
  const id = random.between(1, 8);
  const statement = random.pick([
    `insert into users values (${id}, ${value(random)}, ${phone(random)}, 'n') on conflict do nothing`,
    `insert into users values (${id}, ${value(random)}, ${phone(random)}, 'n') on conflict do nothing`,
    `update users set email = ${value(random)} where id = ${id}`,
    `update users set phone = ${phone(random)} where id = ${id}`,
    `update users set name = name || 'x' where id = ${id}`,
    `delete from users where id = ${id}`,
  ]);
  const before = await localVersions(region.sql, TABLE);
  await region.sql
    .unsafe(statement)
    .catch((error: { code?: string }) => assert.equal(error.code, '23505', String(error)));
  const known = new Set(before.map(({ value }) => value));
  return (await localVersions(region.sql, TABLE)).filter(({ value }) => !known.has(value));
}

const textsOf = ({ message }: Sent): Texts => JSON.parse(message.value);
const rank = (texts: Texts): string => `${texts._last_updated} ${texts._source_region}`;

const collide = (a: Texts, b: Texts): boolean => (a.email !== null && a.email === b.email) || a.phone === b.phone;

const claimOf = (texts: Texts): string => {
  const [stamp, region] = JSON.parse(String(texts._claim));
  return `${stamp} ${region} ${texts.id}`;
};

/** The oracle, by itself: the greatest version of each row, and of those the visible ones by ascending claim. */
function expected(sent: readonly Sent[]): { shown: string[]; held: string[] } {
  const greatest = new Map<string, Texts>();
  for (const texts of sent.map(textsOf)) {
    const known = greatest.get(String(texts.id));
    if (known === undefined || rank(texts) > rank(known)) greatest.set(String(texts.id), texts);
  }
  const rows = [...greatest.values()]
    .filter(({ __s }) => __s === 'public')
    .sort((a, b) => (claimOf(a) < claimOf(b) ? -1 : 1));
  const shown: Texts[] = [];
  for (const row of rows) if (!shown.some((other) => collide(row, other))) shown.push(row);
  const name = (texts: Texts): string => `${texts.id} ${texts.email} ${texts.phone} ${texts.name}`;
  return {
    shown: shown.map(name).sort(),
    held: rows
      .filter((row) => !shown.includes(row))
      .map(name)
      .sort(),
  };
}

async function found({ sql }: Region): Promise<{ shown: string[]; held: string[] }> {
  const name = (row: Record<string, unknown>): string => `${row.id} ${row.email} ${row.phone} ${row.name}`;
  const shown = await sql`select id, email, phone, name from users`;
  const held =
    await sql`select event ->> 'id' as id, event ->> 'email' as email, event ->> 'phone' as phone, event ->> 'name' as name from concord.limbo`;
  return { shown: shown.map(name).sort(), held: held.map(name).sort() };
}

/** Of a merged table only PostgreSQL's own copies are judged: alike everywhere, nothing needlessly held, nobody held by a later claim. */
async function consistent(regions: readonly Region[]): Promise<void> {
  const read = async ({ sql }: Region): Promise<{ shown: Texts[]; held: Texts[] }> => ({
    shown: (
      await sql`select to_json(u) as row from (select id::text, email, phone::text, name, _claim::text, _version_vector::text from users order by id) u`
    ).map(({ row }) => row),
    held: (
      await sql`select json_build_object('id', event ->> 'id', 'email', event ->> 'email', 'phone', event ->> 'phone', 'name', event ->> 'name',
      '_claim', (event ->> '_claim')::jsonb::text, '_version_vector', (event ->> '_version_vector')::jsonb::text) as row from concord.limbo order by key`
    ).map(({ row }) => row),
  });
  const [first, ...others] = await Promise.all(regions.map(read));
  for (const other of others) assert.deepEqual(other, first);
  const { shown, held } = first ?? { shown: [], held: [] };
  for (const row of held) {
    const holders = shown.filter((other) => collide(row, other));
    assert.ok(holders.length > 0, `${row.id} is held by nobody`);
    assert.ok(
      holders.some((holder) => claimOf(holder) < claimOf(row)),
      `${row.id} is held by later claims only`,
    );
  }
}

const MODES = [
  { version: '18', prepare: true, policy: 'lww' },
  { version: '15', prepare: false, policy: 'lww' },
  { version: '18', prepare: false, policy: 'merge' },
] as const;

for (const { version, prepare, policy } of MODES)
  describe(`random writes that want the same values, policy ${policy}, on PostgreSQL ${version}, ${prepare ? 'prepared' : 'unnamed'} statements`, () => {
    const cluster = useCluster(version);
    let regions: Region[];
    let environments: ReadonlyMap<string, Environment>;
    let held = 0;
    before(async () => {
      regions = await createRegions(await cluster(), {
        names: NAMES,
        schema: SCHEMA,
        tables: [{ name: TABLE, policy }],
      });
      environments = new Map(regions.map((region) => [region.name, environmentOf(region, { prepare })]));
    });

    async function round(seed: number): Promise<void> {
      const random = randomFrom(seed);
      const sent: Sent[] = [];
      const given = new Map(regions.map(({ name }) => [name, new Set<number>()]));
      const deliver = async (region: Region, picks: readonly number[]): Promise<void> => {
        for (const from of NAMES) {
          const messages = picks.flatMap((at) => (sent[at]?.from === from ? [sent[at].message] : []));
          const records = messages.map((message) => kafkaRecord(from, message));
          if (records.length > 0 && from !== region.name) await environments.get(region.name)?.deliver(records);
        }
        for (const at of picks) given.get(region.name)?.add(at);
      };
      for (let n = 0; n < WRITES; n++) {
        const region = random.pick(regions as [Region, ...Region[]]);
        for (const message of await write(region, random)) sent.push({ from: region.name, message });
        if (random.chance(0.25)) {
          const to = random.pick(regions as [Region, ...Region[]]);
          const some = sent.map((_, at) => at).filter(() => random.chance(0.3));
          await deliver(to, random.shuffled(some));
        }
      }
      for (const region of random.shuffled(regions)) {
        const missing = sent.map((_, at) => at).filter((at) => !given.get(region.name)?.has(at));
        await deliver(region, random.shuffled(missing));
      }
      for (const region of regions) await region.afterBatch();
      if (policy === 'merge') await consistent(regions);
      const wanted = expected(sent);
      for (const region of regions) {
        const parked = await region.sql`select reason, error from concord.parked`;
        assert.deepEqual([...parked], [], `${region.name} parked`);
        if (policy === 'lww') assert.deepEqual(await found(region), wanted, region.name);
        const [lines] =
          await region.sql`select count(*)::int as count from concord.conflict where kind = 'multiple_unique_conflicts'`;
        held += lines?.count;
      }
    }

    test(`every region shows the same rows and holds the others (seed ${SEED})`, async (t) => {
      for (let n = 0; n < ROUNDS; n++) {
        const seed = ROUNDS === 1 ? SEED : mixed(SEED, n);
        for (const { sql } of regions)
          await sql.unsafe(`set session_replication_role = replica; delete from users; delete from concord_public.users; delete from concord.limbo;
            delete from concord.conflict; delete from concord.unsettled; delete from concord.parked; reset session_replication_role`);
        await round(seed).catch((error) => {
          t.diagnostic(`CONCORD_SEED=${seed} node --test test/integration/unique-random.pg.test.ts`);
          throw error;
        });
      }
      if (ROUNDS > 1) assert.ok(held > ROUNDS, `rows were held only ${held} times in ${ROUNDS} rounds`);
    });
  });
