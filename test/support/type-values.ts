/** What the types of `TYPE_VALUES` need to exist. */
export const TYPE_OBJECTS = `
  create extension hstore; create extension citext; create extension ltree;
  create type mood as enum ('sad', 'so so', 'happy');
  create domain posint as int check (value > 0);
  create domain email as citext;
  create domain price as numeric(10,2);
  create domain instant as timestamp;
  create domain feeling as mood;
  create domain ints as int[];
  create domain doc as jsonb;
  create type comp as (a int, b text, c numeric);
  create type nested as (c comp, cs comp[], d posint, h hstore, at timestamptz, flag bool);
  create domain full_comp as comp check ((value).a is not null);
  create type floatrange as range (subtype = float8, subtype_diff = float8mi);
  create type textrange as range (subtype = text);`;

const MEGABYTE = 1_000_000;

/** Literals by type by group; the keys are column types as SQL writes them. */
export type TypeValues = Readonly<Record<string, readonly string[]>>;

/**
 * What must travel: for each type the literals whose spelling, range or printing has hurt someone. An infinite `interval` is
 * not here: it is refused.
 */
export const TYPE_VALUES = {
  numbers: {
    bool: ['true', 'false'],
    int2: ['32767', '-32768'],
    int4: ['2147483647', '-2147483648'],
    int8: ['9007199254740993', '-9223372036854775808', '9223372036854775807', '1'],
    float4: ['1.1', '3.4028235e38', 'NaN', 'Infinity', '-Infinity', '-0', '1e-45', '16777216', '0.1'],
    float8: [
      ...['0.1', '1.7976931348623157e308', 'NaN', 'Infinity', '-Infinity', '-0', '5e-324', '1e21'],
      ...['0.30000000000000004', '123456789012345680', '1e15', '1e16', '100000'],
    ],
    numeric: [
      ...['1.50', 'NaN', 'Infinity', '-Infinity', '0.00', '1e-20', '1e100', '-5', '100', '1e2000', '1e-2000'],
      '123456789012345678901234567890.123456789012345678901234567890',
      `${'9'.repeat(131_072)}.${'9'.repeat(16_383)}`,
    ],
    'numeric(10,2)': ['1.50', 'NaN', '12345678.90', '0', '-0.01'],
    'numeric(5,-2)': ['12300'],
    money: ['$1,234.56', '-$0.01', '$92233720368547758.07', '-92233720368547758.08', '0'],
    oid: ['4294967295', '1'],
  },
  text: {
    text: [
      ...['emoji 😀 "q" \'s\' \\ back\nnl\ttab\r', '', 'null', 'NULL', '\u0001ctl\u001f\u007f', '\uFFFF\uFEFF\u2028'],
      ...['é combining e\u0301', '  sp  ', '__debezium_unavailable_value', '\\x41', '\u0002', '{}', '$1 %s \\N'],
      'ä€ "'.repeat(MEGABYTE / 8),
    ],
    varchar: ['vc\n', '  '],
    'varchar(20)': ['twenty', ''],
    'char(5)': ['ab', 'abcde', ''],
    bpchar: ['ab ', ' '],
    '"char"': ['a', '\\', '\\377', ''],
    name: ['nm', 'n'.repeat(63)],
    citext: ['MiXed', 'é😀'],
    bytea: ['\\x00ff1020', '\\x', '\\xdeadbeef', `\\x${'00ff5c27'.repeat(MEGABYTE / 8)}`],
    uuid: ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'],
  },
  times: {
    date: [
      ...['2024-02-29', 'infinity', '-infinity', '4713-11-24 BC', '5874897-12-31', '0001-01-01', '0044-03-15 BC'],
      ...['1582-10-10', '10000-01-01', '0001-01-01 BC', '1900-01-01'],
    ],
    time: ['00:00:00', '23:59:59.999999', '24:00:00', '12:00:00.5', '00:00:01'],
    'time(3)': ['12:00:00.123', '23:59:59.9999'],
    'time(0)': ['01:02:03'],
    timetz: [
      ...['12:00:00+05:30', '23:59:59.999999-08', '24:00:00+00', '00:00:00+15:59:59', '00:00:00-15:59:59'],
      ...['12:00:00.1+00', '01:00:00+14'],
    ],
    timestamp: [
      ...['2024-01-01 12:00:00.123456', 'infinity', '-infinity', '4713-11-24 00:00:00 BC', '0001-01-01 00:00:00'],
      ...['294276-12-31 23:59:59.999999', '0044-03-15 12:00:00 BC', '1500-02-28 01:00:00', '1582-10-10 00:00:00'],
      ...['1969-12-31 23:59:59.999999', '10000-01-01 00:00:00', '9999-12-31 23:59:59.999999'],
    ],
    'timestamp(3)': ['2024-01-01 12:00:00.123', 'infinity'],
    'timestamp(0)': ['2024-01-01 12:00:01'],
    timestamptz: [
      ...[
        '2024-01-01 12:00:00.123456+02',
        'infinity',
        '-infinity',
        '4713-11-24 00:00:00+00 BC',
        '1880-01-01 00:00:00+00',
      ],
      ...['294276-12-31 23:59:59.999999+00', '0001-01-01 00:00:00+00', '0044-03-15 12:00:00+00 BC'],
      ...[
        '1582-10-10 00:00:00+00',
        '2024-06-01 00:00:00+00',
        '1969-12-31 23:59:59.999999+00',
        '10000-01-01 00:00:00+00',
      ],
    ],
    'timestamptz(3)': ['2024-01-01 12:00:00.123+00', '-infinity'],
    interval: [
      ...['1 year 2 mons 3 days 04:05:06.789', '-1 day', '-1 mons +2 days -03:00:00', '178000000 years', '0'],
      ...['-178000000 years', '13 mons', '1 day -00:00:00.000001', '100:00:00', '00:00:00.1', '-00:00:01.5'],
      '178956970 years 7 mons 2147483647 days 2562047788:00:54.775806',
      '-178956970 years -8 mons -2147483648 days -2562047788:00:54.775807',
    ],
    'interval(3)': ['00:00:00.123'],
    'interval day to second': ['3 days 04:05:06.789'],
  },
  documents: {
    json: [
      ...['{"a": 1,  "a":2, "z":1e400, "b":12345678901234567890.10}', 'null', '"str"', '1.50', '[1, 2 ]'],
      ...[' {"k":"\\u00e9\\u0000"}\n', `["${'\\" '.repeat(MEGABYTE / 4)}"]`],
    ],
    jsonb: [
      ...['{"zz":1,"a":12345678901234567890.123456789,"e":1e400,"t":1.50}', 'null', '"str\\n😀"', '[]', '1E+2'],
      ...['{"q":"\\"\\\\"}', `{"big": [${Array.from({ length: MEGABYTE / 10 }, (_, i) => i + 1e7).join()}]}`],
    ],
    jsonpath: ['$.a[*] ? (@ > 1)'],
    xml: ['<a b="1">x &amp; y</a>', '<a/><b/>', 'text', ''],
    hstore: ['"a"=>"1", "b"=>NULL, ""=>"q\\"\\\\,=>"', ''],
    ltree: ['Top.Science', ''],
    lquery: ['*.a'],
    ltxtquery: ['a & !b*'],
    tsvector: ["'a':1A,2 'it''s':3", ''],
    tsquery: ["'a' & !'b' | 'c':*", "'a' <3> 'b'"],
  },
  places: {
    inet: ['192.168.0.1', '192.168.0.1/24', '::1', '2001:db8::/32', '0.0.0.0/0'],
    cidr: ['10.0.0.0/8', '2001:db8::/32', '10.1.2.3/32'],
    macaddr: ['08:00:2b:01:02:03'],
    macaddr8: ['08:00:2b:01:02:03:04:05'],
    point: ['(1.5,-2)', '(NaN,Infinity)', '(1e-300,0.1)'],
    line: ['{1,-1,0.5}'],
    lseg: ['[(0,0),(1,1.5)]'],
    box: ['(1,1),(0,0)'],
    path: ['((0,0),(1,1),(2,0))', '[(0,0),(1,1)]'],
    polygon: ['((0,0),(1,1),(2,0))'],
    circle: ['<(1,2),3.5>'],
    'bit(1)': ['1', '0'],
    'bit(5)': ['10110', '00000'],
    'bit(64)': ['1'.padEnd(64, '0'), '1'.padStart(64, '0')],
    varbit: ['1011', '', '0', '000'],
    'varbit(12)': ['101100111000', '1', '01'],
  },
  own: {
    mood: ['happy', 'so so'],
    posint: ['7'],
    email: ['A@b.c'],
    price: ['1.50'],
    instant: ['2024-01-01 12:00:00.5'],
    feeling: ['happy'],
    ints: ['{1,2}', '[0:1]={1,NULL}'],
    doc: ['{"a": 1.50}'],
    comp: ['(1,"a,""b""",)', '(,,)', '(2,x,1.50)', '(3,"",NaN)'],
    nested: [
      '("(1,""a,""""b"",1.50)","{""(2,x,)"",NULL}",3,"""k""=>NULL","2024-01-01 12:00:00.123456+02",t)',
      '(,,,,,)',
    ],
    full_comp: ['(1,,)'],
  },
  arrays: {
    'bool[]': ['{t,f,NULL}'],
    'int2[]': ['{1,2}'],
    'int4[]': ['{1,NULL,3}', '{{1,2},{3,4}}', '{}', '[0:1]={1,2}', '{{{1},{2}},{{3},{NULL}}}', '[-1:0][5:5]={{1},{2}}'],
    'int8[]': ['{9007199254740993,NULL}'],
    'float4[]': ['{1.1,NaN}'],
    'float8[]': ['{0.1,NaN,Infinity,-0,1e300}'],
    'numeric[]': ['{1.50,NaN,NULL,Infinity,0.00}', '{{1.10},{2.20}}'],
    'numeric(10,2)[]': ['{1.50,2}'],
    'money[]': ['{$1.50,NULL,"$1,234.56"}'],
    'oid[]': ['{1}'],
    'text[]': ['{a,NULL,"NULL","q\\"uote","comma,",""," sp ","\\\\","{}","nl\n"}', '{{a,b},{c,NULL}}', '{}'],
    'varchar[]': ['{a,"b c"}'],
    'varchar(5)[]': ['{a,"b c"}'],
    'char(3)[]': ['{a,"b c"}'],
    'citext[]': ['{Aa,"b c"}'],
    'name[]': ['{a}'],
    'bytea[]': ['{"\\\\x00ff",NULL,"\\\\x"}'],
    'uuid[]': ['{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}'],
    'date[]': ['{2024-02-29,NULL}', '{infinity}', '{"0044-03-15 BC"}'],
    'time[]': ['{23:59:59.999999,24:00:00}', '{12:00:00,NULL}'],
    'timetz[]': ['{12:00:00+05:30}'],
    'timestamp[]': ['{"2024-01-01 12:00:00.123456",NULL}', '{infinity}', '{"0044-03-15 12:00:00 BC"}'],
    'timestamptz[]': ['{"2024-01-01 12:00:00.123456+00",NULL}', '{infinity}', '{"0044-03-15 12:00:00+00 BC"}'],
    'interval[]': ['{"1 mon",NULL,"-1 mons +2 days -03:00:00"}'],
    'json[]': ['{"{\\"a\\": 1}",NULL}'],
    'jsonb[]': ['{"{\\"a\\": 1.50}",NULL}'],
    'xml[]': ['{<a/>}'],
    'hstore[]': ['{"\\"a\\"=>\\"1\\""}'],
    'ltree[]': ['{a.b}'],
    'tsvector[]': ['{"\'a\':1"}'],
    'inet[]': ['{10.0.0.1/8,NULL}'],
    'cidr[]': ['{10.0.0.0/8}'],
    'macaddr[]': ['{08:00:2b:01:02:03}'],
    'point[]': ['{"(1,2)"}'],
    'box[]': ['{(1,1),(0,0);(2,2),(1,1)}'],
    'bit(3)[]': ['{101,NULL}'],
    'varbit[]': ['{101,1}'],
    'int4range[]': ['{"[1,5)",NULL}'],
    'mood[]': ['{happy,"so so",NULL}', '{{happy},{sad}}'],
    'posint[]': ['{1,NULL}'],
    'email[]': ['{A@b.c,NULL}'],
    'feeling[]': ['{"so so",NULL}'],
    'doc[]': ['{"{\\"a\\": 1.50}",NULL}'],
    'comp[]': ['{"(1,a,2.0)",NULL}'],
    'nested[]': ['{"(,\\"{\\"\\"(2,x,)\\"\\"}\\",,,,f)",NULL}'],
  },
  ranges: {
    int4range: ['[1,5)', 'empty', '(,)', '[5,)'],
    int8range: ['[1,9007199254740993)'],
    numrange: ['[1.50,2.0]', '(,1.5)'],
    tsrange: ['["2024-01-01 12:00:00.123456","2024-01-02 00:00:00")'],
    tstzrange: ['["2024-01-01 12:00:00.123456+00",)', '[,infinity]', 'empty'],
    daterange: ['[2024-01-01,2024-02-01)', '[,infinity]'],
    int4multirange: ['{[1,3),[5,7)}', '{}'],
    tstzmultirange: ['{["2024-01-01 00:00:00+00","2024-01-02 00:00:00+00")}'],
    nummultirange: ['{[1.50,2.5]}'],
    floatrange: ['[0.1,0.30000000000000004]', '[-Infinity,)'],
    floatmultirange: ['{[0.1,0.2],(1,2)}'],
    textrange: ['["a,b","c ""d"")', '["",a]'],
  },
  system: {
    pg_lsn: ['16/B374D848', '0/0'],
    xid: ['4294967295'],
    xid8: ['18446744073709551615'],
    pg_snapshot: ['10:20:10,14'],
    regclass: ['pg_class'],
    regtype: ['timestamptz', 'int4[]'],
    tid: ['(1,2)'],
    int2vector: ['1 2'],
    oidvector: ['1 4294967295'],
  },
} as const satisfies Readonly<Record<string, TypeValues>>;

export type KeyValues = {
  /** Names the table. */
  readonly name: string;
  readonly columns: readonly string[];
  /** One key as the two regions spell it. */
  readonly spellings: readonly [readonly string[], readonly string[]];
};

const key = (name: string, type: string, one: string, other = one): KeyValues => ({
  name,
  columns: [type],
  spellings: [[one], [other]],
});

/** Keys that are one row although they are, where the type allows it, spelled or even printed differently. */
export const KEY_VALUES: readonly KeyValues[] = [
  key('numerics', 'numeric', '1.5', '1.50'),
  key('floats', 'float8', '0', '-0'),
  key('citexts', 'citext', 'Ann', 'aNN'),
  key('instants', 'timestamptz', '2024-01-01 12:00:00.000001+00', '2024-01-01 14:00:00.000001+02'),
  key('dates', 'date', '0044-03-15 BC'),
  key('intervals', 'interval', '1 day', '24:00:00'),
  key('uuids', 'uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
  key('enums', 'mood', 'so so'),
  key('byteas', 'bytea', '\\x00ff', '\\000\\377'),
  key('inets', 'inet', '10.0.0.1/32', '10.0.0.1'),
  key('blanks', 'char(5)', 'ab', 'ab  '),
  key('endless_blanks', 'bpchar', 'ab', 'ab  '),
  key('flags', 'bool', 'true', 't'),
  key('bits', 'varbit', '0101'),
  key('documents', 'jsonb', '{"a": 1.5}', '{"a": 1.50}'),
  key('arrays', 'numeric[]', '{1.5,NULL}', '{1.50,NULL}'),
  key('ranges', 'numrange', '[1.5,2)', '[1.50,2.0)'),
  key('composites', 'comp', '(1,a,1.5)', '(1,a,1.50)'),
  key('prices', 'email', 'A@b.c', 'a@B.C'),
  {
    name: 'several',
    columns: ['numeric', 'text', 'timestamptz'],
    spellings: [
      ['1.5', 'a\u0002"\\', '2024-01-01 12:00:00+00'],
      ['1.50', 'a\u0002"\\', '2024-01-01 21:00:00+09'],
    ],
  },
];
