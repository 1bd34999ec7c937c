import { deflateRawSync } from 'node:zlib';
import { type Bundle, bundleFunction, bundleLayer, functionNames, LAYER_NAMES } from '../../../cdk/functions/bundle.ts';
import { build } from '../../../cdk/functions/bundle-module.ts';
import { packageOf } from '../../../cdk/functions/bundle-packages.ts';
import type { Part } from '../part.ts';
import { markdownTable, rounded } from '../spread.ts';

const KILOBYTE = 1024;
const LARGEST = 5;
/** Headers of a zip archive: per file, beside its name twice, and at the end. */
const ZIP_FILE_BYTES = 30 + 46;
const ZIP_END_BYTES = 22;

/** Packages of which the layer has a part, in a file of its own. */
const IN_PART = ['typebox', 'typebox/*'];
const PART_FILE = 'nodejs/node_modules/@concord/packages/typebox.js';

type Size = { readonly rawBytes: number; readonly mapBytes: number; readonly zippedBytes: number };

/** As the files are uploaded: deflated one by one. */
function sizeOf({ files }: Bundle): Size {
  let [rawBytes, mapBytes, zippedBytes] = [0, 0, ZIP_END_BYTES];
  for (const [path, text] of files) {
    const bytes = Buffer.byteLength(text);
    rawBytes += bytes;
    if (path.endsWith('.map')) mapBytes += bytes;
    zippedBytes += ZIP_FILE_BYTES + 2 * Buffer.byteLength(path) + deflateRawSync(text).length;
  }
  return { rawBytes, mapBytes, zippedBytes };
}

const kilobytes = (bytes: number): number => rounded(bytes / KILOBYTE);

/** `typebox` of `node_modules/typebox/build/index.mjs`, `layers/runtime` of `layers/runtime/sql.ts`, `functions/apply` likewise. */
function sourceOf(path: string): string {
  const [, inPackages] = path.split(/.*node_modules\//);
  if (inPackages !== undefined) return packageOf(inPackages);
  return path
    .split('/')
    .slice(0, path.startsWith('events/') ? 1 : 2)
    .join('/');
}

/** Bytes in the bundle by input; with `by`, of those that belong together. */
function bytesBy(entry: string, packages: 'external' | 'bundle', by: (path: string) => string): [string, number][] {
  const external =
    packages === 'bundle' ? { packages, external: ['@aws-sdk/*', '@smithy/*', ...IN_PART] } : { packages };
  const { metafile } = build({ entryPoints: [entry], outfile: 'index.js', format: 'esm', ...external }, entry);
  const sums = new Map<string, number>();
  for (const { inputs } of Object.values(metafile.outputs))
    for (const [path, { bytesInOutput }] of Object.entries(inputs))
      sums.set(by(path), (sums.get(by(path)) ?? 0) + bytesInOutput);
  return [...sums].sort(([, a], [, b]) => b - a);
}

const partBytes = (): number => Buffer.byteLength(bundleLayer('runtime').files.get(PART_FILE) ?? '');

function reportLargest(what: string, inputs: readonly [string, number][], say: Part['say']): void {
  const total = inputs.reduce((sum, [, bytes]) => sum + bytes, 0);
  const lines = [...inputs.slice(0, LARGEST), ['all', total] as const].map(([name, bytes]) => [
    name,
    kilobytes(bytes),
    rounded(bytes / total),
  ]);
  say(markdownTable([what, 'kB', 'share'], lines));
}

/** How large what goes to Lambda is, and what makes up the apply function. Nothing is timed. */
export async function benchBundle({ say }: Part): Promise<Record<string, number>> {
  const bundles = [
    ...functionNames().map((name) => [name, bundleFunction(name)] as const),
    ...LAYER_NAMES.map((name) => [`layer ${name}`, bundleLayer(name)] as const),
  ];
  const sizes = bundles.map(([name, bundle]) => [name, sizeOf(bundle)] as const);
  for (const [name, { rawBytes }] of sizes) if (rawBytes === 0) throw new Error(`${name} is empty`);
  const lines = sizes.map(([name, { rawBytes, mapBytes, zippedBytes }]) => [
    name,
    ...[rawBytes, mapBytes, zippedBytes].map(kilobytes),
  ]);
  say(markdownTable(['', 'raw, kB', 'of it source maps', 'zipped'], lines));
  const apply = 'functions/apply/handler.ts';
  const own = bytesBy(apply, 'external', (path) => path);
  reportLargest('the largest inputs of apply itself', own, say);
  const whole = bytesBy(apply, 'bundle', sourceOf);
  const all = [...whole, ['typebox, the part in use', partBytes()] as [string, number]].sort(([, a], [, b]) => b - a);
  reportLargest('all that apply may load, layers included', all, say);
  return Object.fromEntries(
    sizes.flatMap(([name, { rawBytes, zippedBytes }]) => [
      [`${name.replace(' ', '_')}Bytes`, rawBytes],
      [`${name.replace(' ', '_')}ZippedBytes`, zippedBytes],
    ]),
  );
}
