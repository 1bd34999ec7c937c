import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { formatStamp, join, parseStamp, type Vector, type Version } from '@concord/conflict';
import type { RepairVersion } from '@concord/events';
import fc from 'fast-check';
import { repair } from '../../functions/repair/repair.ts';
import { closeEnvironments } from '../support/appliers.ts';
import { lineages } from '../support/arbitraries.ts';
import { useCluster } from '../support/cluster.ts';
import type { Message } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { storedVersions } from '../support/stored-events.ts';
import { HOUR_AGO, versionMessage } from '../support/versions.ts';

const ITEMS = 'public.items';
const ROWS = 20;
const RUNS = 15;

closeEnvironments();

/** The histories of some rows, any of which may have been there before enrolment, and who is told what. */
type Story = {
  readonly histories: readonly (readonly Version[])[];
  readonly isOld: readonly boolean[];
  /** Of each version: did its topic deliver it? In which page of the repair does it come, and where in that? */
  readonly luck: readonly { readonly delivered: boolean; readonly page: number; readonly place: number }[];
};

const stories = (): fc.Arbitrary<Story> =>
  fc.record({
    histories: fc.array(lineages(5), { minLength: ROWS, maxLength: ROWS }),
    isOld: fc.array(fc.boolean(), { minLength: ROWS, maxLength: ROWS }),
    luck: fc.array(fc.record({ delivered: fc.boolean(), page: fc.nat(3), place: fc.nat() }), {
      minLength: ROWS * 6,
      maxLength: ROWS * 6,
    }),
  });

const BOTTOM: Version = { kind: 'row', stamp: 0, region: '', vector: {}, writes: 1 };

/** The stamps of a history are small numbers; 0 is the stamp of rows from before enrolment. */
const stampOf = (small: number): number => (small === 0 ? 0 : HOUR_AGO + small);
const vectorOf = ({ vector }: Version): Vector =>
  Object.fromEntries(Object.entries(vector).map(([region, seen]) => [region, stampOf(seen)]));
const labelOf = ({ region, stamp }: Version): string => `${region} ${stamp}`;

/** A version as its region has stored it. */
function storedOf(id: number, version: Version): RepairVersion {
  const own = { id: String(id), label: labelOf(version) };
  return {
    place: version.kind,
    event: {
      ...(version.kind === 'row' ? own : { id: own.id, image: JSON.stringify(own) }),
      ...{ _version: String(version.writes), _last_updated: formatStamp(stampOf(version.stamp)), _tx_id: '7' },
      ...{ _source_region: version.region, _version_vector: JSON.stringify(vectorOf(version)) },
    },
  };
}

/** A version as its topic delivers it. */
const messageOf = (id: number, version: Version): Message =>
  versionMessage({
    ...{ table: ITEMS, kind: version.kind, region: version.region, writes: version.writes, key: { id: String(id) } },
    ...{ stamp: stampOf(version.stamp), seen: vectorOf(version), columns: { label: labelOf(version) } },
  });

const orderOf = ({ event }: RepairVersion): unknown[] => [
  parseStamp(String(event._last_updated)),
  event._source_region,
];

for (const postgres of ['18', '15'] as const)
  describe(`repair of random differences on PostgreSQL ${postgres}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(postgres);
    let region: Region;
    let nextId = 1;
    before(async () => {
      const schema = 'create table items (id bigint primary key, label text)';
      region = await createRegion(await cluster(), { names: ['here', 'a', 'b', 'c'], schema, tables: [ITEMS] });
    });

    const send = (versions: RepairVersion[]) =>
      repair(
        { run: 'random', table: ITEMS, key: ['id'], versions, versionsPerSecond: 1_000_000 },
        { apply: region.apply },
      );

    async function holds({ histories, isOld, luck }: Story): Promise<void> {
      const first = nextId;
      nextId += ROWS;
      const all = histories.flatMap((history, row) =>
        [...(isOld[row] === true ? [BOTTOM] : []), ...history].map((version, index) => ({
          ...{ id: first + row, version },
          ...(luck[row * 6 + index] as Story['luck'][number]),
        })),
      );
      for (const from of ['a', 'b', 'c']) {
        const delivered = all.filter((one) => one.delivered && one.version.region === from);
        await region.receive(from, ...delivered.map(({ id, version }) => messageOf(id, version)));
      }
      for (const page of [0, 1, 2, 3, 0]) {
        const versions = all.filter((one) => one.page === page).sort((x, y) => x.place - y.place);
        await send(versions.map(({ id, version }) => storedOf(id, version)));
      }
      const stored = await storedVersions(region.sql, ITEMS, `t.id between ${first} and ${first + ROWS - 1}`);
      for (const [row, history] of histories.entries()) {
        const id = first + row;
        const versions = [...history, ...(isOld[row] === true ? [BOTTOM] : [])] as [Version, ...Version[]];
        const greatest = join(versions).winner;
        const expected = storedOf(id, greatest);
        const found = stored.filter(({ event }) => event.id === String(id));
        const standing = found.find(({ place }) => place === greatest.kind);
        assert.deepEqual(standing && orderOf(standing), orderOf(expected), `row ${id}`);
        if (greatest.kind === 'row') assert.equal(standing?.event.label, expected.event.label);
        else assert.equal(found.length, 1, `row ${id} is dead`);
      }
      const [parked] = await region.sql`select count(*)::int as records from concord.parked`;
      assert.equal(parked?.records, 0);
    }

    test('versions that come in any order, over whatever has been delivered, end as the join of all', async () => {
      await fc.assert(fc.asyncProperty(stories(), holds), { numRuns: RUNS });
    });
  });
