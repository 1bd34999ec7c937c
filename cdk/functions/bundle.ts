import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Topology } from '@concord/events';
import { type BundledModule, bundleModule, ROOT } from './bundle-module.ts';
import { bundlePackages } from './bundle-packages.ts';
import { type Content, writeFolder } from './folder.ts';

/** A folder under `functions/` with a `handler.ts`. */
export type FunctionName =
  | ('apply' | 'enroll' | 'rotate' | 'drain' | 'conflicts' | 'outbox' | 'alert')
  | ('digest' | 'repair' | 'reconcile');

export type LayerName = 'conflict' | 'idempotency' | 'runtime';

/** What goes to Lambda: the files, and which sources and packages are in them. */
export type Bundle = { readonly files: Content; readonly inputs: readonly string[] };

const BUNDLES = join(ROOT, '.cache/bundles');
/** Comes with the runtime, in a version that AWS keeps patched. */
const FROM_RUNTIME = /^@(?:aws-sdk|smithy)\//;
const OURS = /^@concord\//;
const OUR_PACKAGES: Readonly<Record<LayerName, Readonly<Record<string, string>>>> = {
  conflict: { conflict: 'layers/conflict' },
  idempotency: { idempotency: 'layers/idempotency' },
  runtime: { events: 'events', runtime: 'layers/runtime' },
};

function once<Argument extends string, Result>(make: (argument: Argument) => Result): (argument: Argument) => Result {
  const made = new Map<Argument, Result>();
  return (argument) => {
    const result = made.get(argument) ?? make(argument);
    made.set(argument, result);
    return result;
  };
}

const moduleOf = once((entry: string): BundledModule => bundleModule(entry, 'index.js'));

const handlerOf = (name: string): string => `functions/${name}/handler.ts`;

/** The functions that there are. */
export const functionNames = (): string[] =>
  globSync(handlerOf('*'), { cwd: ROOT })
    .map((path) => path.split(/[\\/]/)[1] ?? '')
    .sort();

/** Beside the code of the function, where `import.meta.url` finds it. */
const migrationsOf = (name: string): Content =>
  new Map(
    globSync(`functions/${name}/migrations/*`, { cwd: ROOT })
      .sort()
      .map((path) => [path.slice(`functions/${name}/`.length), readFileSync(join(ROOT, path), 'utf8')]),
  );

const filesOf = (folder: string, { code, map }: BundledModule): Content =>
  new Map([
    [`${folder}index.js`, code],
    [`${folder}index.js.map`, map],
  ]);

/** A handler as CommonJS, without anything that a layer or the runtime has. Throws when there is no such function. */
export const bundleFunction = once((name: string): Bundle => {
  if (!existsSync(join(ROOT, handlerOf(name))))
    throw new Error(`${handlerOf(name)} is not there: a function is a folder with a handler.ts`);
  const module = moduleOf(handlerOf(name));
  return { files: new Map([...filesOf('', module), ...migrationsOf(name)]), inputs: module.inputs };
});

/** Packages that a handler expects to find, those of Node left out. */
export const importsOfFunction = (name: string): readonly string[] => moduleOf(handlerOf(name)).imports;

/** Keys in order: what is equal has equal bytes. */
const canonical = (value: unknown): unknown =>
  value === null || typeof value !== 'object' || Array.isArray(value)
    ? Array.isArray(value)
      ? value.map(canonical)
      : value
    : Object.fromEntries(
        Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, part]) => [key, canonical(part)]),
      );

/** As a `concord.json`, defaults filled in: Lambda's environment holds 4 KB, a topology may need more. */
const topologyFile = (topology: Topology): string => `${JSON.stringify(canonical({ version: 1, ...topology }))}\n`;

/** The folder of a function as it is deployed. */
export const functionFolder = (name: string, topology: Topology): string =>
  writeFolder(BUNDLES, name, new Map([...bundleFunction(name).files, ['topology.json', topologyFile(topology)]]));

const entryOf = (folder: string): string => `${folder}/index.ts`;

function manifest(folder: string): string {
  const { name, version } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
  return `${JSON.stringify({ name, version, main: 'index.js' })}\n`;
}

/** What the layers and all functions import of others. */
function thirdParty(): string[] {
  const ours = Object.values(OUR_PACKAGES).flatMap((packages) => Object.values(packages).map(entryOf));
  const imports = [...ours, ...functionNames().map(handlerOf)].flatMap((entry) => moduleOf(entry).imports);
  return [...new Set(imports)].filter((name) => !FROM_RUNTIME.test(name) && !OURS.test(name)).sort();
}

const packageFiles = (name: string, folder: string): Content =>
  new Map([
    ...filesOf(`@concord/${name}/`, moduleOf(entryOf(folder))),
    [`@concord/${name}/package.json`, manifest(folder)],
  ]);

/** A layer: the packages by their names under `nodejs/node_modules`, where NODE_PATH leads on Lambda. */
export const bundleLayer = once((layer: LayerName): Bundle => {
  const ours = Object.entries(OUR_PACKAGES[layer]);
  const packages =
    layer === 'runtime' ? bundlePackages(thirdParty()) : { files: new Map<string, string>(), inputs: [] };
  const files = [...ours.flatMap(([name, folder]) => [...packageFiles(name, folder)]), ...packages.files];
  return {
    files: new Map(files.map(([path, text]) => [`nodejs/node_modules/${path}`, text])),
    inputs: [...ours.flatMap(([, folder]) => moduleOf(entryOf(folder)).inputs), ...packages.inputs],
  };
});

export const LAYER_NAMES: readonly LayerName[] = ['conflict', 'idempotency', 'runtime'];

export const layerFolder = (layer: LayerName): string =>
  writeFolder(BUNDLES, `layer-${layer}`, bundleLayer(layer).files);
