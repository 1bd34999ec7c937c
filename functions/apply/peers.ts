import { FIRST_RESOLVER, RESOLVER } from '@concord/conflict';
import { isHeartbeat, type KafkaRecord, regionOfTopic } from '@concord/events';
import { arrayLiteral, type Db, decodeValue, send } from '@concord/runtime';
import Type from 'typebox';
import { Compile } from 'typebox/compile';

/** What other regions wait for before their triggers make what this join must know. An older function never lowers it. */
export const registerResolver = (db: Db): Promise<unknown> =>
  send(db, 'update concord.region set resolver = $1::text::int4 where resolver < $1::text::int4', [String(RESOLVER)]);

/** A row of `concord.heartbeat` as it travels: every value a text. */
const Beat = Type.Object({
  beat_at: Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]{8,15}\\+00$' }),
  resolver: Type.Optional(Type.Union([Type.String({ pattern: '^[0-9]{1,9}$' }), Type.Null()])),
});
const checked = Compile(Beat);
const MAX_BYTES = 4096;

type Peer = { readonly region: string; readonly beatAt: string; readonly resolver: string };

/** Undefined for what is no heartbeat of a region's topic, or does not tell what it has to. */
function peerOf(record: KafkaRecord): Peer | undefined {
  const region = regionOfTopic(record.topic);
  if (region === undefined || !isHeartbeat(record)) return undefined;
  const decoded = decodeValue(record.value, MAX_BYTES);
  if (!decoded.ok || !checked.Check(decoded.value)) return undefined;
  const { beat_at: beatAt, resolver } = decoded.value;
  return { region, beatAt, resolver: resolver ?? String(FIRST_RESOLVER) };
}

/** The newest of what each region says; a later announcement is the later row, whatever the partition. */
function newest(peers: readonly Peer[]): Peer[] {
  const byRegion = new Map<string, Peer>();
  for (const peer of peers) {
    const known = byRegion.get(peer.region);
    if (known === undefined || known.beatAt < peer.beatAt) byRegion.set(peer.region, peer);
  }
  return [...byRegion.values()].sort((a, b) => (a.region < b.region ? -1 : 1));
}

/** Says when a region was heard last to within this; what it runs is noted at once. */
const PRECISION = `interval '10 seconds'`;

const NOTE = /* sql */ `
insert into concord.peer as p (region, beat_at, resolver)
select unnest($1::text[]), unnest($2::text[])::timestamptz, unnest($3::int4[])
on conflict (region) do update set beat_at = excluded.beat_at, resolver = excluded.resolver
where excluded.beat_at > p.beat_at and (excluded.resolver <> p.resolver or excluded.beat_at > p.beat_at + ${PRECISION})`;

/** Keeps what the heartbeats among these records say of their regions. One statement, and none where there are none. */
export async function notePeers(db: Db, records: readonly KafkaRecord[]): Promise<void> {
  const peers = newest(records.flatMap((record) => peerOf(record) ?? []));
  if (peers.length === 0) return;
  await send(db, NOTE, [
    arrayLiteral(peers.map(({ region }) => region)),
    arrayLiteral(peers.map(({ beatAt }) => beatAt)),
    arrayLiteral(peers.map(({ resolver }) => resolver)),
  ]);
}
