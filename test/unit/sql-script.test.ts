import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ScriptPart } from '../../local/playground/script-part.ts';
import { splitScript } from '../../local/playground/split.ts';

const parts = (text: string): ScriptPart[] => [...splitScript(text)];
const statements = (text: string): string[] =>
  parts(text).map((part) => (part.kind === 'statement' ? part.sql : `(${part.kind})`));

describe('statements', () => {
  test('end at a semicolon; the last one may lack it; empty ones are none', () => {
    assert.deepEqual(statements('select 1; select 2'), ['select 1', 'select 2']);
    assert.deepEqual(statements(';;\n ; -- nothing\n/* at all */ ;'), []);
    assert.deepEqual(statements(''), []);
  });
  test('begin on the line of their first token, comments before them left out', () => {
    const script = '-- a\n\n/* b\n c */ select 1;\n\n  -- d\n  select\n  2;';
    assert.deepEqual(parts(script), [
      { kind: 'statement', sql: 'select 1', line: 4 },
      { kind: 'statement', sql: 'select\n  2', line: 7 },
    ]);
  });
  test('keep comments inside them', () => {
    assert.deepEqual(statements('select 1 -- ; no\n + /* ; */ 2;'), ['select 1 -- ; no\n + /* ; */ 2']);
  });
  test('are not disturbed by a byte order mark or by lines that end in CR LF', () => {
    assert.deepEqual(statements('\uFEFFselect 1;\r\nselect 2;\r\n'), ['select 1', 'select 2']);
  });
});

describe('a semicolon does not end a statement', () => {
  const cases: [where: string, sql: string][] = [
    ['in a string', `select ';', 'it''s; fine'`],
    ['in a string of several lines', `select 'a;\nb;'`],
    ['in a string with a backslash at its end', `select 'c:\\' || ';'`],
    ['in an escape string', `select E'it\\'s; fine', e'\\\\'`],
    ['in a national, bit or unicode string', `select N';', B'01', U&'\\0041;'`],
    ['in a quoted identifier', `select 1 as "a;""b;"`],
    ['in a dollar quote', `select $$ ; ' " -- $$`],
    ['in a dollar quote with a tag', `do $body$ begin perform $$;$$; end $body$`],
    ['in a dollar quote with a tag of other letters', `select $größe_1$ ; $größe_1$`],
    ['in a line comment', 'select 1 -- ; \n'],
    ['in a block comment', 'select /* ; */ 1'],
    ['in a nested comment', 'select /* a /* ; */ ; */ 1'],
    ['in parentheses', 'create rule r as on delete to t do (select 1; select 2)'],
    [
      'in a BEGIN ATOMIC body',
      'create or replace function f(a int) returns int begin atomic select case a when 1 then 2 end; select 3; end',
    ],
    [
      'in a BEGIN ATOMIC body of a procedure',
      'create procedure p() language sql begin atomic insert into t values (1); end',
    ],
  ];
  for (const [where, sql] of cases)
    test(where, () => assert.deepEqual(statements(`${sql}; select 'next'`), [sql.trimEnd(), `select 'next'`]));
});

describe('what only looks like a beginning', () => {
  const cases: [what: string, sql: string][] = [
    ['a parameter', 'select $1 + $2'],
    ['a dollar in a name', 'select a$b$c from t$'],
    ['e as the end of a name', `select te'x\\'`],
    ['BEGIN of a transaction', 'begin'],
    ['CASE and END outside of a body', 'select case when true then 1 end'],
    ['a closing parenthesis too many', 'select 1)'],
    ['an operator with signs', 'select 1 <@ 2 #- 3 ->> 4 - -5 / 6'],
    ['a cast', `select '1'::int, a::text[]`],
  ];
  for (const [what, sql] of cases)
    test(what, () => assert.deepEqual(statements(`${sql}; select 2`), [sql, 'select 2']));
});

describe('COPY … FROM STDIN', () => {
  test('takes the lines up to \\. with it', () => {
    const script = `copy public.t (a, b) from stdin;\n1\tx;y\n2\t'\n\\.\n\nselect 1;`;
    assert.deepEqual(parts(script), [
      { kind: 'copy', sql: 'copy public.t (a, b) from stdin', data: "1\tx;y\n2\t'\n", line: 1 },
      { kind: 'statement', sql: 'select 1', line: 6 },
    ]);
  });
  test('has options, and names in quotes', () => {
    const [part] = parts('COPY "My Table" ("From") FROM STDIN WITH (FORMAT csv, HEADER);\na\n\\.\n');
    assert.deepEqual([part?.kind, part?.kind === 'copy' && part.data], ['copy', 'a\n']);
  });
  test('may have no data, and lines that end in CR LF', () => {
    assert.deepEqual(parts('copy t from stdin;\n\\.\n'), [
      { kind: 'copy', sql: 'copy t from stdin', data: '', line: 1 },
    ]);
    const [part] = parts('copy t from stdin;\r\n1\r\n\\.\r\nselect 1;');
    assert.equal(part?.kind === 'copy' && part.data, '1\r\n');
  });
  test('ends with the script where \\. is missing', () => {
    assert.deepEqual(parts('copy t from stdin;\n1\n2'), [
      { kind: 'copy', sql: 'copy t from stdin', data: '1\n2', line: 1 },
    ]);
  });
  test('is something else than a line that only contains \\.', () => {
    const [part] = parts('copy t from stdin;\na\\.\n\\.b\n\\.\n');
    assert.equal(part?.kind === 'copy' && part.data, 'a\\.\n\\.b\n');
  });
  test('is not COPY from a query, to a file, or a column named stdin', () => {
    for (const sql of [
      'copy (select * from stdin) to stdout',
      'copy t to stdout',
      `copy t from 'stdin'`,
      'select a from stdin',
    ])
      assert.deepEqual(statements(`${sql};\nselect 1`), [sql, 'select 1'], sql);
  });
  test('keeps the line numbers behind it right', () => {
    assert.deepEqual(
      parts('copy t from stdin;\n1\n\\.\ncopy t from stdin;\n2\n\\.\nselect 1;').map(({ line }) => line),
      [1, 4, 7],
    );
  });
});

describe('meta-commands of psql', () => {
  test('take the rest of their line', () => {
    assert.deepEqual(parts('\\connect shop\n\\set x 1\nselect 1;\n\\.\n'), [
      { kind: 'meta', name: 'connect', argument: 'shop', line: 1 },
      { kind: 'meta', name: 'set', argument: 'x 1', line: 2 },
      { kind: 'statement', sql: 'select 1', line: 3 },
      { kind: 'meta', name: '.', argument: '', line: 4 },
    ]);
  });
  test('that send, send what is before them', () => {
    assert.deepEqual(parts('select 1 \\gexec\nselect 2;'), [
      { kind: 'statement', sql: 'select 1', line: 1 },
      { kind: 'meta', name: 'gexec', argument: '', line: 1 },
      { kind: 'statement', sql: 'select 2', line: 2 },
    ]);
  });
  test('in the middle of a statement are taken out of it', () => {
    assert.deepEqual(parts('select 1\n\\echo hi\n+ 2;'), [
      { kind: 'meta', name: 'echo', argument: 'hi', line: 2 },
      { kind: 'statement', sql: 'select 1\n\n+ 2', line: 1 },
    ]);
  });
  test('inside a string are none', () => assert.deepEqual(statements(`select '\\g'`), [`select '\\g'`]));
});

describe('a script that ends inside something', () => {
  const cases: [script: string, begun: string, line: number][] = [
    [`select 1;\n\nselect 'a;\n`, 'a string', 3],
    [`select E'a\\'`, 'a string', 1],
    ['select "a', 'a quoted identifier', 1],
    ['select\n /* a /* b */', 'a /* comment', 2],
    ['do $x$ begin\n end', 'the dollar quote $x$', 1],
    ['select (1;\n', 'a parenthesis', 1],
    ['create function f() returns int begin atomic select 1;', 'BEGIN ATOMIC', 1],
  ];
  for (const [script, begun, line] of cases)
    test(begun, () => {
      const last = parts(script).at(-1);
      assert.deepEqual(
        [last?.kind, last?.kind === 'unterminated' && last.begun, last?.line],
        ['unterminated', begun, line],
      );
    });
});

test('a long string, a long comment and many statements are walked once', () => {
  const string = `select '${'x;'.repeat(1_000_000)}'`;
  const comment = `--${'-'.repeat(80)}\n`.repeat(20_000);
  const inserts = `insert into t values (1, 'a');\n`.repeat(20_000);
  const found = parts(`${string};\n${comment}${inserts}`);
  assert.deepEqual([found.length, found.at(-1)?.line], [20_001, 40_001]);
});
