import { fileURLToPath } from 'node:url';
import { type BuildOptions, type BuildResult, buildSync, type Message, transformSync } from 'esbuild';

/** Every path in a bundle, a source map or a metafile is told from here, so that nothing differs from machine to machine. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** One CommonJS file and what is in it. */
export type BundledModule = {
  readonly code: string;
  readonly map: string;
  /** Files in it, from the root of the repository. */
  readonly inputs: readonly string[];
  /** Packages that it expects to find: specifiers as written, sorted, those of Node left out. */
  readonly imports: readonly string[];
};

const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  write: false,
  metafile: true,
  platform: 'node',
  target: 'node24',
  charset: 'utf8',
  logLevel: 'silent',
} as const satisfies BuildOptions;

/** esbuild turns `import.meta` into an empty object in CommonJS: `new URL('./migrations/', import.meta.url)` would throw. */
const META_URL = '__importMetaUrl';
const BANNER = `const ${META_URL} = require('node:url').pathToFileURL(__filename).href;`;
const IMPORT_META = {
  'import.meta.url': META_URL,
  'import.meta.dirname': '__dirname',
  'import.meta.filename': '__filename',
};

/** A warning of esbuild is a fault that would show on Lambda only. */
function refuse(warnings: readonly Message[], of: string): void {
  const [first] = warnings;
  if (first)
    throw new Error(`${of}: ${first.text} (${first.location?.file ?? 'no file'}:${first.location?.line ?? 0})`);
}

/** esbuild in memory: the options are ours but for format and entry. */
export function build(options: BuildOptions, of: string): BuildResult<typeof COMMON> {
  const result = buildSync({ ...COMMON, ...options, ...COMMON });
  refuse(result.warnings, of);
  return result;
}

export const inputsOf = ({ metafile }: BuildResult<typeof COMMON>): string[] =>
  Object.values(metafile.outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : []))
    .sort();

const importsOf = ({ metafile }: BuildResult<typeof COMMON>): string[] => {
  const all = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  return [...new Set(all)].filter((path) => !path.startsWith('node:')).sort();
};

/**
 * Bundles the TypeScript of one package; packages that it imports stay imports. In two steps: in one, esbuild takes a package's
 * `module.exports` for its default export wherever the importer is an ES module by its package.json, which ours all are, and
 * `import middy from '@middy/core'` would be an object. A dynamic `import()` becomes `require` too: it would ignore NODE_PATH.
 */
export function bundleModule(entry: string, outfile: string): BundledModule {
  const modules = build(
    {
      entryPoints: [entry],
      outfile,
      format: 'esm',
      packages: 'external',
      sourcemap: 'inline',
      sourcesContent: false,
    },
    entry,
  );
  const [output] = modules.outputFiles;
  const { code, map, warnings } = transformSync(output?.text ?? '', {
    format: 'cjs',
    platform: 'node',
    target: COMMON.target,
    charset: 'utf8',
    sourcemap: 'external',
    sourcesContent: false,
    define: IMPORT_META,
    banner: BANNER,
    supported: { 'dynamic-import': false },
    logLevel: 'silent',
  });
  refuse(warnings, entry);
  return {
    code: `${code}//# sourceMappingURL=${outfile}.map\n`,
    map,
    inputs: inputsOf(modules),
    imports: importsOf(modules),
  };
}
