import { formatStamp } from '@concord/conflict';
import type { Hostile } from './hostile.ts';
import { type Fields, goodEvent } from './hostile-table.ts';

type Case = readonly [what: string, becomes: Hostile['becomes'], change: (event: Fields) => Fields | string];

const set =
  (fields: Fields) =>
  (event: Fields): Fields => ({ ...event, ...fields });
const without =
  (name: string) =>
  ({ [name]: _, ...rest }: Fields): Fields =>
    rest;
const stampOf = (event: Fields): number => JSON.parse(String(event._version_vector))['us-1'];
const own = (event: Fields): string => `"us-1": ${stampOf(event)}`;
const vector =
  (text: (event: Fields) => string) =>
  (event: Fields): Fields => ({ ...event, _version_vector: text(event) });
const stamped = (stamp: number) => set({ _last_updated: formatStamp(stamp), _version_vector: `{"us-1": ${stamp}}` });
const from =
  (region: string) =>
  (event: Fields): Fields => ({
    ...event,
    _source_region: region,
    _version_vector: JSON.stringify({ [region]: stampOf(event) }),
  });

const REQUIRED = [
  '_version',
  '_last_updated',
  '_source_region',
  '_tx_id',
  '_version_vector',
  '_local',
  '__op',
  '__t',
  '__s',
];
const WRONG = [null, '', 7, true, [], {}, ['x']];
const WRONG_DIGITS = [
  '-1',
  '99999999999999999999',
  '1.5',
  '0x1',
  '９',
  ' 1',
  '1 ',
  '1e3',
  '1\n',
  "1'; drop table canary; --",
  'NaN',
  '+1',
];
const WRONG_STAMPS = [
  'infinity',
  '-infinity',
  'now',
  'today',
  'epoch',
  '2026-11-21T07:04:02Z',
  '2026-11-21 07:04:02',
  '2026-11-21 07:04:02+02',
  '2026-11-21 07:04:02.1234567+00',
  '0044-03-15 12:00:00+00 BC',
  '12026-01-01 00:00:00+00',
  '2026-11-21 07:04:02+00\n',
  '2026-1-1 0:0:0+00',
  "2026-11-21 07:04:02+00'; select 1; --",
];
const NO_DATES = [
  '2026-02-30 00:00:00+00',
  '2026-02-29 00:00:00+00',
  '2026-13-01 00:00:00+00',
  '2026-00-10 00:00:00+00',
  '2026-01-00 00:00:00+00',
  '2026-01-32 00:00:00+00',
  '2026-11-21 24:00:00+00',
  '2026-11-21 25:00:00+00',
  '2026-11-21 07:60:00+00',
  '2026-11-21 07:04:61+00',
  '0000-01-01 00:00:00+00',
  '0050-01-01 00:00:00+00',
  '9999-12-31 23:59:59.999999+00',
  '1969-12-31 23:59:59+00',
];
const NO_REGIONS = [
  'US-1',
  'us_1',
  '-us',
  'us-',
  'us-1#',
  'us-1#x',
  'us-1#12345678',
  '#2',
  'us-1 ',
  "us-1'; drop table canary; --",
  '__proto__',
  'x'.repeat(60),
];
const FOREIGN = ['mars-1', 'constructor', 'us', 'us-11', 'eu-1', 'here-1'];
const NO_VECTORS = [
  '',
  'null',
  '[]',
  '[1]',
  '{',
  '{"us-1"}',
  '{"us-1": "1"}',
  '{"us-1": 1.5}',
  '{"us-1": -1}',
  '{"us-1": 1e3}',
  '{"us-1": null}',
  '{"us-1": {}}',
  '{"us-1": 12345678901234567}',
  '{"__proto__": 1}',
  '{"US-1": 1}',
  '{ "us-1": 1}',
  "{'us-1': 1}",
  '{"us-1": 1}; drop table canary',
];

const CASES: readonly Case[] = [
  ...REQUIRED.flatMap((name): Case[] => [
    [`no ${name}`, 'contract', without(name)],
    ...WRONG.map((value): Case => {
      // That of rows from before enrolment.
      const isBottom = name === '_source_region' && value === '';
      return [`${name} ${JSON.stringify(value)}`, isBottom ? 'foreign_region' : 'contract', set({ [name]: value })];
    }),
  ]),
  ...['_version', '_tx_id'].flatMap((name): Case[] => [
    ...WRONG_DIGITS.map((value): Case => [`${name} ${JSON.stringify(value)}`, 'contract', set({ [name]: value })]),
    [`${name} beyond bigint`, 'refused', set({ [name]: '9999999999999999999' })],
    [`${name} as large as can be`, 'applied', set({ [name]: '9223372036854775807' })],
  ]),
  ...WRONG_STAMPS.map((value): Case => [`stamp ${JSON.stringify(value)}`, 'contract', set({ _last_updated: value })]),
  ...NO_DATES.map((value): Case => [`stamp ${value}`, 'bad_version', set({ _last_updated: value })]),
  ['far in the future', 'future', stamped(Date.UTC(2200, 0, 1) * 1000)],
  ['just beyond the drift limit', 'future', stamped((Date.now() + 960_000) * 1000)],
  ['another stamp than its own entry', 'bad_version', stamped(1) && set({ _last_updated: '2026-01-01 00:00:00+00' })],
  ...NO_REGIONS.map((value): Case => [`region ${value}`, 'contract', from(value)]),
  ...FOREIGN.map((value): Case => [`region ${value} on this topic`, 'foreign_region', from(value)]),
  ['a later incarnation', 'applied', from('us-1#2')],
  ...NO_VECTORS.map((value): Case => [`vector ${value}`, 'contract', set({ _version_vector: value })]),
  ['an empty vector', 'bad_version', set({ _version_vector: '{}' })],
  ['a vector with leading zeros', 'contract', vector((event) => `{${own(event)}, "eu-1": 007}`)],
  ['a vector with a comma too many', 'contract', vector((event) => `{${own(event)}, }`)],
  ['a vector without its own entry', 'bad_version', vector((event) => `{"eu-1": ${stampOf(event) - 1}}`)],
  ['a vector that names an unknown region', 'foreign_region', vector((event) => `{${own(event)}, "mars-1": 1}`)],
  ['a vector that names constructor', 'foreign_region', vector((event) => `{${own(event)}, "constructor": 1}`)],
  [
    'a vector that has seen the future',
    'bad_version',
    vector((event) => `{${own(event)}, "eu-1": ${stampOf(event) + 1}}`),
  ],
  ['a vector beyond its own stamp', 'bad_version', vector((event) => `{"us-1": ${stampOf(event) + 1}}`)],
  ['a vector that says it twice', 'applied', vector((event) => `{"us-1": 1, ${own(event)}}`)],
  ...['false', 'f', 'TRUE', '1'].map((value): Case => [`_local ${value}`, 'contract', set({ _local: value })]),
  ...['d', 't', 'm', 'C', 'cc'].map((value): Case => [`operation ${value}`, 'contract', set({ __op: value })]),
  ...['__lsn', '__txId', '__source_ts_us'].flatMap((name): Case[] => [
    [`${name} an object`, 'contract', set({ [name]: {} })],
    [`${name} a fraction`, 'contract', set({ [name]: 1.5 })],
    [`${name} beyond all numbers`, 'applied', set({ [name]: 2 ** 64 })],
    [`${name} a text`, 'applied', set({ [name]: "'; drop table canary; --" })],
    [`${name} null`, 'applied', set({ [name]: null })],
  ]),
  ['metadata twice, the last one right', 'applied', (event) => `{"_version":"x",${JSON.stringify(event).slice(1)}`],
  [
    'metadata twice, the last one wrong',
    'contract',
    (event) => `${JSON.stringify(event).slice(0, -1)},"_version":"x"}`,
  ],
  ['the table twice', 'unknown_table', (event) => `${JSON.stringify(event).slice(0, -1)},"__t":"canary"}`],
];

/** What is wrong with the version that an event claims to be. */
export const hostileMetadata = (): Hostile[] => [
  ...CASES.map(([what, becomes, change]): Hostile => {
    const changed = change(goodEvent());
    return { what, becomes, value: typeof changed === 'string' ? changed : JSON.stringify(changed) };
  }),
  ...[0, -1, 8_640_000_000_000_001, Number.MAX_SAFE_INTEGER, 2 ** 63].map(
    (timestamp): Hostile => ({
      what: `written to Kafka at ${timestamp}`,
      becomes: 'applied',
      value: JSON.stringify(goodEvent()),
      timestamp,
    }),
  ),
];
