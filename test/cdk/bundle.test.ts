import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { builtinModules, createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseTopology } from '@concord/events';
import {
  type Bundle,
  bundleFunction,
  bundleLayer,
  functionFolder,
  functionNames,
  importsOfFunction,
  LAYER_NAMES,
  layerFolder,
} from '../../cdk/functions/bundle.ts';
import { packageOf } from '../../cdk/functions/bundle-packages.ts';
import { type Content, digestOf, writeFolder } from '../../cdk/functions/folder.ts';
import { runDirectory } from '../../local/process/run-directory.ts';
import { topologyOf } from '../support/regions.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const HANDLER_BYTES = 300 * 1024;
const FROM_RUNTIME = /(?:^|\/)@(?:aws-sdk|smithy)\//;

const topology = topologyOf({ names: ['us-east-1', 'eu-west-1'], tables: ['public.users'] });
const layers = Object.fromEntries(LAYER_NAMES.map((name) => [name, bundleLayer(name)]));
const functions = Object.fromEntries(functionNames().map((name) => [name, bundleFunction(name)]));
const all: Readonly<Record<string, Bundle>> = { ...layers, ...functions };

const bytesOf = (files: Content, suffix = ''): number =>
  [...files].reduce((sum, [path, text]) => sum + (path.endsWith(suffix) ? Buffer.byteLength(text) : 0), 0);

/** `packageOfPath('node_modules/@middy/core/index.js')` is `@middy/core`, and undefined for our own files. */
function packageOfPath(path: string): string | undefined {
  const inPackages = path.split('node_modules/').at(-1) ?? '';
  return path.includes('node_modules/') ? packageOf(inPackages) : undefined;
}

/** Where a package lies, and in which of the forms in which many are published. */
const formOf = (path: string): string =>
  /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?:\/.*?\b(?:cjs|esm|es|src)\b)?/.exec(path)?.[0] ?? path;

describe('bundles', () => {
  test('there is one for each function that the deployment has', () => {
    assert.ok(functionNames().includes('apply'));
    assert.throws(() => bundleFunction('nothing'), /functions\/nothing\/handler\.ts is not there/);
  });

  test('a handler without its layers is at most 300 KB', (t) => {
    for (const [name, { files }] of Object.entries(functions)) {
      const bytes = bytesOf(files, 'index.js');
      t.diagnostic(`${name}: ${Math.ceil(bytes / 1024)} KB, ${Math.ceil(bytesOf(files) / 1024)} KB with all files`);
      assert.ok(bytes > 1024 && bytes <= HANDLER_BYTES, `${name} has ${bytes} bytes`);
    }
    for (const [name, { files }] of Object.entries(layers))
      t.diagnostic(`layer ${name}: ${Math.ceil(bytesOf(files) / 1024)} KB`);
  });

  test('nothing is in two of them, and no package is there in two forms', () => {
    const seen = new Map<string, string>();
    for (const [bundle, { inputs }] of Object.entries(all))
      for (const path of inputs) {
        assert.equal(seen.get(path), undefined, `${path} is in ${bundle} and ${seen.get(path)}`);
        seen.set(path, bundle);
      }
    const forms = Map.groupBy([...seen.keys()].filter(packageOfPath), packageOfPath);
    assert.ok(forms.has('postgres') && forms.has('typebox'));
    for (const [name, paths] of forms) assert.equal(new Set(paths.map(formOf)).size, 1, `${name}: ${paths.join(', ')}`);
  });

  test('third-party code is in layers only, and the AWS SDK in none', () => {
    for (const [name, { inputs }] of Object.entries(all))
      assert.deepEqual(
        inputs.filter((path) => FROM_RUNTIME.test(path)),
        [],
        name,
      );
    for (const [name, { inputs }] of Object.entries(functions))
      assert.deepEqual(
        inputs.filter((path) => !path.startsWith(`functions/${name}/`)),
        [],
      );
  });

  test('whatever a bundle imports is in a layer, in Node or in the runtime', () => {
    const inLayers = Object.values(layers).flatMap(({ files }) =>
      [...files.keys()].map((path) => path.slice('nodejs/node_modules/'.length)),
    );
    const isThere = (specifier: string): boolean =>
      builtinModules.includes(specifier) ||
      FROM_RUNTIME.test(specifier) ||
      inLayers.includes(`${specifier}/index.js`) ||
      inLayers.includes(`${specifier}.js`);
    for (const name of functionNames())
      assert.deepEqual(
        importsOfFunction(name).filter((specifier) => !isThere(specifier)),
        [],
        name,
      );
    assert.ok(isThere('typebox/schema') && !isThere('commander'));
  });

  test('of typebox there is every type that a schema is made of, and no more', () => {
    const files = globSync(['events/*.ts', 'functions/*/*.ts'], { cwd: ROOT }).map((path) => join(ROOT, path));
    const used = files.flatMap((path) => readFileSync(path, 'utf8').match(/\bType\.[A-Z]\w*/g) ?? []);
    // Elsewhere, because this repository's .js files are ES modules.
    const copy = mkdtempSync(join(runDirectory(), 'layer-'));
    cpSync(layerFolder('runtime'), copy, { recursive: true });
    const bundled = createRequire(join(copy, 'nodejs/node_modules/'))('typebox').default;
    assert.deepEqual(Object.keys(bundled).sort(), [...new Set(used.map((name) => name.slice('Type.'.length)))].sort());
  });

  test('a file tells nothing of the machine on which it was bundled', () => {
    for (const [name, { files }] of Object.entries(all))
      for (const [path, text] of files) {
        assert.ok(!text.includes(ROOT), `${name}: ${path}`);
        if (!path.endsWith('.map')) continue;
        const { sources, sourcesContent } = JSON.parse(text);
        assert.ok(
          sources.length > 0 && sources.every((source: string) => !source.startsWith('/') && !source.includes('..')),
        );
        assert.equal(sourcesContent, undefined);
      }
  });

  test('the same bytes come from another folder', () => {
    const copy = mkdtempSync(join(runDirectory(), 'copy-'));
    for (const part of ['cdk/functions', 'functions', 'layers', 'events', 'package.json'])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    const packages = new Set(Object.values(all).flatMap(({ inputs }) => inputs.map(packageOfPath)));
    for (const name of packages)
      if (name !== undefined)
        cpSync(join(ROOT, 'node_modules', name), join(copy, 'node_modules', name), { recursive: true });
    for (const tool of ['esbuild', '@esbuild'])
      symlinkSync(join(ROOT, 'node_modules', tool), join(copy, 'node_modules', tool), 'junction');
    mkdirSync(join(copy, 'elsewhere'));
    const script = `
      import { bundleFunction, bundleLayer, functionNames, LAYER_NAMES } from '${copy}/cdk/functions/bundle.ts';
      import { digestOf } from '${copy}/cdk/functions/folder.ts';
      const all = [...LAYER_NAMES.map((name) => [name, bundleLayer(name)]), ...functionNames().map((name) => [name, bundleFunction(name)])];
      process.stdout.write(JSON.stringify(Object.fromEntries(all.map(([name, { files }]) => [name, digestOf(files)]))));`;
    const options = { cwd: join(copy, 'elsewhere'), env: { TZ: 'Asia/Tokyo', HOME: copy }, encoding: 'utf8' } as const;
    const there = execFileSync(process.execPath, ['--input-type=module', '--eval', script], options);
    const here = Object.entries(all).map(([name, { files }]) => [name, digestOf(files)]);
    assert.deepEqual(JSON.parse(there), Object.fromEntries(here));
  });
});

describe('folders', () => {
  const read = (folder: string, path: string): string => readFileSync(join(folder, path), 'utf8');

  test("a function's holds its code, its migrations and the topology", () => {
    const folder = functionFolder('enroll', topology);
    for (const name of readdirSync(join(ROOT, 'functions/enroll/migrations')))
      assert.equal(read(folder, `migrations/${name}`), read(ROOT, `functions/enroll/migrations/${name}`));
    assert.deepEqual(parseTopology(JSON.parse(read(folder, 'topology.json'))), { ok: true, topology });
    assert.match(read(folder, 'index.js'), /\/\/# sourceMappingURL=index\.js\.map\n$/);
  });

  test('equal topologies give one folder, whatever the order of their keys; another topology gives another', () => {
    const { hub, ...others } = topology;
    assert.equal(functionFolder('apply', { ...others, hub }), functionFolder('apply', topology));
    assert.notEqual(functionFolder('apply', { ...topology, hub: 'eu-west-1' }), functionFolder('apply', topology));
  });

  test("a layer's packages lie where NODE_PATH leads, each with a package.json", () => {
    const packages = join(layerFolder('runtime'), 'nodejs/node_modules');
    for (const name of ['@concord/runtime', '@concord/events', 'postgres', '@middy/core'])
      assert.equal(JSON.parse(read(packages, `${name}/package.json`)).name, name);
  });

  test('one that is there is left alone, one that cannot be written throws and leaves nothing', () => {
    const parent = mkdtempSync(join(runDirectory(), 'folders-'));
    const content = new Map([['a/b.txt', 'text']]);
    const folder = writeFolder(parent, 'name', content);
    assert.equal(writeFolder(parent, 'name', content), folder);
    assert.throws(() => writeFolder(parent, 'name', new Map([...content, ['a/b.txt/c', 'in a file']])));
    assert.deepEqual(readdirSync(parent).length, 1);
  });
});
