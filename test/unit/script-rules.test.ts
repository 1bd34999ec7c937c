import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type HintContext, hintFor } from '../../local/playground/hints.ts';
import { metaTreatment } from '../../local/playground/meta-commands.ts';
import { mentionsRoles, missingRole } from '../../local/playground/roles.ts';
import { failureText } from '../../local/playground/script-report.ts';
import { type Phase, treatmentOf } from '../../local/playground/treatment.ts';

describe('a statement', () => {
  const cases: [phase: Phase, action: string, sql: string][] = [
    ['schema', 'run', 'create table t (id int)'],
    ['schema', 'run', 'truncate t'],
    ['schema', 'run', 'alter table t disable trigger all'],
    ['schema', 'run', 'set session_replication_role = replica'],
    ['schema', 'run', `set client_encoding = 'UTF8'`],
    ['schema', 'run', 'SET client_encoding TO utf8'],
    ['schema', 'skip', `set client_encoding = 'LATIN1'`],
    ['schema', 'skip', 'SET CLIENT_ENCODING TO win1252'],
    ['schema', 'skip', 'create database shop'],
    ['schema', 'skip', '-- a comment\n  DROP /* really */ DATABASE if exists shop'],
    ['schema', 'skip', 'grant all on database shop to bob'],
    ['schema', 'skip', `create tablespace fast location '/ssd'`],
    ['schema', 'run', `insert into t values ('create database shop')`],
    ['data', 'run', 'insert into t values (1)'],
    ['data', 'run', 'set session_replication_role = replica'],
    ['data', 'run', 'create temporary table x (id int)'],
    ['data', 'run', 'alter sequence s restart with 5'],
    ['data', 'run_and_rearm', 'ALTER TABLE public.t DISABLE TRIGGER ALL'],
    ['data', 'run_and_rearm', 'alter table only t enable trigger touch'],
    ['data', 'refuse', 'create table t (id int)'],
    ['data', 'refuse', 'alter table t add column a int'],
    ['data', 'refuse', 'DROP TABLE IF EXISTS t'],
  ];
  for (const [phase, action, sql] of cases)
    test(`of a ${phase} script: ${action}: ${sql}`, () => assert.equal(treatmentOf(sql, phase).action, action));

  test('that truncates becomes one that deletes', () => {
    const deleted = (sql: string) => {
      const treatment = treatmentOf(sql, 'data');
      return treatment.action === 'delete' ? treatment.tables : undefined;
    };
    assert.deepEqual(deleted('truncate a'), ['a']);
    assert.deepEqual(deleted('TRUNCATE TABLE public."A", b RESTART IDENTITY CASCADE'), ['public."A"', 'b']);
    assert.deepEqual(deleted('truncate only a restrict'), ['only a']);
  });
});

describe('a meta-command', () => {
  test('that includes or copies names the file', () => {
    assert.deepEqual(metaTreatment('i', 'tables.sql'), { action: 'include', path: 'tables.sql' });
    assert.deepEqual(metaTreatment('ir', `'more tables.sql'`), { action: 'include', path: 'more tables.sql' });
    assert.deepEqual(metaTreatment('copy', `a.b (c) FROM './b.csv' DELIMITER E'\\t' CSV;`), {
      action: 'copy',
      sql: `copy a.b (c) from stdin DELIMITER E'\\t' CSV`,
      path: './b.csv',
    });
    assert.equal(metaTreatment('copy', 'a from program x').action, 'note');
  });
  test('that only prints is ignored, and so is what steers psql', () => {
    for (const name of ['echo', 'timing', 'pset', 'dt+', 'restrict', 'unrestrict', '! ls', 'q'])
      assert.equal(metaTreatment(name, 'x').action, 'ignore', name);
    assert.equal(metaTreatment('set', 'ON_ERROR_STOP on').action, 'ignore');
  });
  test('that changes what the script means is noted, an unknown one too', () => {
    for (const [name, argument] of [
      ['connect', 'shop'],
      ['set', 'id 5'],
      ['if', ':x'],
      ['gexec', ''],
      ['frobnicate', ''],
    ] as const)
      assert.equal(metaTreatment(name, argument).action, 'note', name);
  });
});

describe('a hint', () => {
  const context: HintContext = { phase: 'schema', sql: '', missingExtensions: [], skipsErrors: false };
  const hint = (code: string, changes: Partial<HintContext> = {}): string | undefined =>
    hintFor({ message: 'x', code }, { ...context, ...changes });
  test(`is PostgreSQL's own where it has one`, () =>
    assert.equal(hintFor({ message: 'x', code: '42601', hint: 'do it' }, context), 'do it'));
  test('explains circular foreign keys, in data scripts', () => {
    assert.match(hint('23503', { phase: 'data' }) ?? '', /session_replication_role = replica.*--disable-triggers/s);
    assert.equal(hint('23503'), undefined);
  });
  test('names the extension that is missing, and the way around', () => {
    const missingExtensions = ['vector'];
    assert.match(hint('42704', { missingExtensions }) ?? '', /wants vector.*--skip-errors/);
    assert.doesNotMatch(hint('42P01', { missingExtensions, skipsErrors: true }) ?? '', /skip-errors/);
    assert.equal(hint('42704'), undefined);
  });
  test('knows another dialect, and variables of psql', () => {
    assert.match(hint('42601', { sql: 'create table t (id int auto_increment)' }) ?? '', /MySQL/);
    assert.match(hint('42601', { sql: `select :'name'` }) ?? '', /variables of psql/);
    assert.equal(hint('42601', { sql: 'select a::int fro m' }), undefined);
  });
});

test('a role that is missing is found in the message', () => {
  assert.equal(missingRole({ code: '42704', message: 'role "Bob the 2nd" does not exist' }), 'Bob the 2nd');
  assert.equal(missingRole({ code: '42704', message: 'type "bob" does not exist' }), undefined);
  for (const sql of ['alter table t owner to bob', 'grant select on t to bob', 'set session authorization bob'])
    assert.ok(mentionsRoles(sql), sql);
});

test('a failure says where, what and what to do', () => {
  const failure = { file: 'app.sql', line: 3, statement: 'create x', message: 'no', detail: 'because', hint: 'do' };
  assert.equal(failureText(failure), 'app.sql:3: no\n  in: create x\n  detail: because\n  hint: do');
  assert.equal(failureText({ file: 'app.sql', line: 1, statement: '', message: 'no' }), 'app.sql:1: no');
});
