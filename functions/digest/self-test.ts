import { hashOf } from './hash.ts';

/** A value of each type that is hashed by the type's own function. */
const VALUES: readonly string[] = [
  'true::bool',
  "'-32768'::int2",
  "'2147483647'::int4",
  "'-9223372036854775808'::int8",
  "'4294967295'::oid",
  "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
  `'emoji 😀 "q" é, thirteen bytes and more'::text`,
  "''::varchar",
  `'nm'::name`,
  `'a'::"char"`,
  `'ab '::bpchar`,
  "'\\x00ff1020'::bytea",
  "'0044-03-15 BC'::date",
  "'infinity'::date",
  "'23:59:59.999999'::time",
  "'12:00+01'::timetz",
  "'294276-12-31 23:59:59.999999'::timestamp",
  "'-infinity'::timestamptz",
  "'08:00:2b:01:02:03'::macaddr",
  "'08:00:2b:01:02:03:04:05'::macaddr8",
  "'10.0.0.1/8'::inet",
  "'2001:db8::/32'::cidr",
  "'1.50'::numeric",
  "'NaN'::numeric",
  "'-0'::float8",
  "'1.1'::float4",
  "'1 mon 2 days 00:00:03'::interval",
  `'{"us-east-1": 1795243754332068, "a": [1.50, null, true, "x"]}'::jsonb`,
  `'{1.50,NULL}'::numeric[]`,
  `'[1,5)'::int4range`,
  `'{[1,5),[7,8)}'::int4multirange`,
  'null::text',
];

/** One hash of all of them: regions whose answers differ do not agree about `record` hashing. */
export const SELF_TEST = `(${hashOf(VALUES, 'record', 1)})::text`;
