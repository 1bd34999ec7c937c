import type { Sql } from '@concord/runtime';
import type { Random } from '../simulation/random.ts';

/** What can be wrong with one key in one region, although every change was delivered. */
export const DAMAGES = ['missing', 'extra', 'stale', 'content', 'null', 'resurrected', 'lost_tombstone'] as const;
export type Damage = (typeof DAMAGES)[number];

/** One that was done: the key, and what a run has to find there. */
export type Damaged = {
  readonly damage: Damage;
  readonly key: string;
  readonly region: string;
  readonly verdict: 'diverged' | 'corrupt';
};

export type Damageable = { readonly name: string; readonly sql: Sql };

/**
 * The table that is damaged: `items (id int primary key, label text, amount numeric, note text)`. Keys from 1 up to `live` are rows, of
 * which every second one is as it was before enrolment (odd keys); those of `dead` were deleted by their applications. All stand still
 * meanwhile, as do keys above 1,000,000 that nobody has.
 */
export type Ground = {
  readonly live: number;
  readonly dead: readonly [from: number, to: number];
  /** Keys that were damaged before; they are left alone. */
  readonly used: Set<number>;
};

const statements: Readonly<Record<Damage, string>> = {
  missing: 'delete from items where id = $1::int',
  extra: `insert into items (id, label, amount, note, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
    select 1000000 + $1::int, 'nobody else has it', 1, null, 1, s, r, 7, jsonb_build_object(r, (extract(epoch from s) * 1000000)::int8), false
    from (select now() - interval '1 hour' as s, (select source_region from concord.region) as r) v`,
  stale: `update items set label = 'of before', _last_updated = _last_updated - interval '1 second', _local = false,
    _version_vector = jsonb_build_object(_source_region, (extract(epoch from _last_updated - interval '1 second') * 1000000)::int8) where id = $1::int`,
  content: `update items set amount = amount + 0.00 + 0.0000, label = label || '', note = coalesce(note, '') || '!', _local = false where id = $1::int`,
  null: `update items set note = case when note is null then '' end, _local = false where id = $1::int`,
  resurrected: `with t as (delete from concord_public.items where id = $1::int returning *)
    insert into items (id, label, amount, note, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
    select id, 'back from the dead', 1, null, 1, _last_updated - interval '1 second', _source_region, 7,
      jsonb_build_object(_source_region, (extract(epoch from _last_updated - interval '1 second') * 1000000)::int8), false from t`,
  lost_tombstone: 'delete from concord_public.items where id = $1::int',
};

/** Does it to one key behind Concord's back: no trigger fires, nothing is stamped or published. */
async function doDamage({ sql }: Damageable, damage: Damage, key: number): Promise<void> {
  const { count } = await sql.begin(async (tx) => {
    await tx.unsafe('set local session_replication_role = replica');
    return tx.unsafe(statements[damage], [key]);
  });
  if (count !== 1) throw new Error(`${damage} of ${key} met ${count} rows`);
}

/** Damages `count` keys, each once, of all kinds, wherever chance has it. */
export async function damageAtRandom(
  regions: readonly [Damageable, ...Damageable[]],
  { live, dead, used }: Ground,
  count: number,
  random: Random,
): Promise<Damaged[]> {
  const draw = (from: number, to: number, isWritten = false): number => {
    let key = random.between(from, to);
    while (used.has(key) || (isWritten && key % 2 === 1)) key = random.between(from, to);
    used.add(key);
    return key;
  };
  const done: Damaged[] = [];
  for (let n = 0; n < count; n++) {
    // Each kind at least once, if there are enough.
    const damage = DAMAGES[n] ?? random.pick(DAMAGES);
    const isDead = damage === 'resurrected' || damage === 'lost_tombstone';
    const key = isDead ? draw(...dead) : draw(1, live, damage === 'stale');
    const region = random.pick(regions);
    await doDamage(region, damage, key);
    const verdict = damage === 'content' || damage === 'null' ? 'corrupt' : 'diverged';
    done.push({ damage, region: region.name, verdict, key: String(damage === 'extra' ? 1_000_000 + key : key) });
  }
  return done;
}
