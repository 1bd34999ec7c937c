import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, inputsOf, ROOT } from './bundle-module.ts';
import type { Content } from './folder.ts';

/** Where all third-party code lies, beside the packages that name it. */
const HOME = '@concord/packages';

/** `packageOf('typebox/schema')` is `typebox`, `packageOf('@middy/core')` itself. */
export const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

function versionOf(name: string): string {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'));
  return String(version);
}

/** For `require`, and for those who scan a layer for what is in it. */
const manifest = (name: string): string => `${JSON.stringify({ name, version: versionOf(name), main: 'index.js' })}\n`;

function pathOf(specifier: string): string {
  const name = packageOf(specifier);
  return specifier === name ? `${name}/index.js` : `${name}/${specifier.slice(name.length + 1)}.js`;
}

export type BundledPackages = { readonly files: Content; readonly inputs: readonly string[] };

/** Builders of schemas that are in use. The rest of typebox is twice as much, and every function would read it as it starts. */
const TYPES = [
  ...['Array', 'Boolean', 'Enum', 'Integer', 'Literal', 'Null', 'Object', 'Optional', 'Partial', 'Record'],
  ...['String', 'Tuple', 'Union', 'Unknown'],
].join(', ');

/** Specifiers of a package of which a part is taken, and the one module for all of them: of ES modules esbuild leaves out what is not named. */
const PARTS: Readonly<Record<string, { readonly specifiers: readonly string[]; readonly code: string }>> = {
  typebox: {
    specifiers: ['typebox', 'typebox/schema'],
    code: `import { ${TYPES} } from 'typebox'; export default { ${TYPES} }; export { Check, Compile, Errors } from 'typebox/schema';`,
  },
};

const isPart = (specifier: string): boolean => PARTS[packageOf(specifier)]?.specifiers.includes(specifier) === true;

function bundled(contents: string, name: string): { code: string; inputs: string[] } {
  const sourcefile = `${name}.js`;
  const result = build(
    {
      stdin: { contents, resolveDir: ROOT, sourcefile },
      outfile: 'index.js',
      format: 'cjs',
      external: ['@aws-sdk/*', '@smithy/*'],
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: 'inline',
      supported: { 'dynamic-import': false },
    },
    `third-party packages: ${name}`,
  );
  return {
    code: result.outputFiles[0]?.text ?? '',
    inputs: inputsOf(result).filter((path) => path !== sourcefile),
  };
}

/**
 * Third-party packages as a `node_modules`: one file has the code of all of them, each run when it is first asked for, so that
 * what two of them share is there once; packages of which a part is taken have their own. The folders by the packages' names only point there.
 */
export function bundlePackages(specifiers: readonly string[]): BundledPackages {
  const contents = specifiers
    .filter((specifier) => !isPart(specifier))
    .map((name) => `exports[${JSON.stringify(name)}] = () => require(${JSON.stringify(name)});`);
  const whole = bundled(contents.join('\n'), 'index');
  const parts = Object.entries(PARTS).map(([name, { code }]) => [name, bundled(code, name)] as const);
  const stubs = specifiers.flatMap((specifier) => {
    const name = packageOf(specifier);
    const code = isPart(specifier)
      ? `require('${HOME}/${name}.js')`
      : `require('${HOME}')[${JSON.stringify(specifier)}]()`;
    return [
      [pathOf(specifier), `module.exports = ${code};\n`] as const,
      [`${name}/package.json`, manifest(name)] as const,
    ];
  });
  return {
    files: new Map([
      [`${HOME}/index.js`, whole.code],
      ...parts.map(([name, { code }]) => [`${HOME}/${name}.js`, code] as const),
      ...stubs,
    ]),
    inputs: [...whole.inputs, ...parts.flatMap(([, { inputs }]) => inputs)],
  };
}
