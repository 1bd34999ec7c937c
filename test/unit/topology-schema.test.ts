import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseTopology, topologySchema } from '@concord/events';
import { Compile } from 'typebox/schema';

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'));
const published = read('concord.schema.json') as object;
const reference = read('concord.json') as { readonly $schema: string };

/** All schemas of fields within a schema, with their paths. */
function* fieldsOf(schema: unknown, path = ''): Generator<[path: string, field: Readonly<Record<string, unknown>>]> {
  if (schema === null || typeof schema !== 'object') return;
  const { properties = {}, items } = schema as { properties?: Record<string, object>; items?: object };
  for (const [name, field] of Object.entries(properties)) {
    yield [`${path}/${name}`, field as Readonly<Record<string, unknown>>];
    yield* fieldsOf(field, `${path}/${name}`);
  }
  yield* fieldsOf(items, `${path}/*`);
}

describe('the published schema', () => {
  test('is in step with the code: otherwise run `npm run schema`', () => {
    assert.deepEqual(published, JSON.parse(JSON.stringify(topologySchema())));
  });

  test('describes every field, and tells the defaults that the parser takes', () => {
    const fields = [...fieldsOf(published)];
    assert.ok(fields.length > 20, `${fields.length}`);
    for (const [path, { description }] of fields) assert.ok(typeof description === 'string' && description, path);
    const result = parseTopology({
      version: 1,
      hub: 'a',
      regions: [{ name: 'a', slot: 0 }],
      tables: [{ name: 'a.b' }],
    });
    assert.ok(result.ok);
    const { tables, ...sections } = result.topology;
    const given: Readonly<Record<string, unknown>> = { ...sections, tables: { '*': tables[0] } };
    let defaults = 0;
    for (const [path, field] of fields) {
      if (!('default' in field)) continue;
      const value = path
        .split('/')
        .slice(1)
        .reduce((object: unknown, name) => (object as Readonly<Record<string, unknown>>)[name], given);
      assert.deepEqual(value, field.default, path);
      defaults++;
    }
    assert.ok(defaults > 12, `${defaults}`);
  });

  test('accepts what the parser accepts, and says no where it does', () => {
    const schema = Compile(published);
    const wrong: object[] = [
      { ...reference, version: 2 },
      { ...reference, hubs: [] },
      { ...reference, tables: [{ name: 'a.b', policy: 'last' }] },
      { ...reference, tables: [{ name: 'a.b', polici: 'lww' }] },
      { ...reference, limits: { conflictDays: 0 } },
      { ...reference, regions: [] },
    ];
    assert.ok(schema.Check(reference));
    assert.ok(parseTopology(reference).ok);
    for (const file of wrong) {
      assert.ok(!schema.Check(file), JSON.stringify(file));
      assert.ok(!parseTopology(file).ok);
    }
  });

  test('is what the reference topology names, and the example in its documentation, which is a topology too', () => {
    const documentation = readFileSync(new URL('../../docs/topology.md', import.meta.url), 'utf8');
    const example = JSON.parse(/```json\n([^`]*)```/.exec(documentation)?.[1] ?? '');
    for (const file of [reference, example]) {
      assert.equal(file.$schema, './concord.schema.json');
      assert.ok(parseTopology(file).ok);
    }
  });
});
