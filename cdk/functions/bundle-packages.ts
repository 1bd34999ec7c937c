import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, inputsOf, ROOT } from './bundle-module.ts';
import type { Content } from './folder.ts';

/** Where all third-party code lies, beside the packages that name it. */
const HOME = '@concord/packages';

/** `packageOf('typebox/compile')` is `typebox`, `packageOf('@middy/core')` itself. */
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

/**
 * Third-party packages as a `node_modules`: one file has the code of all of them, each run when it is first asked for, so that
 * what two of them share is there once. The folders by the packages' names only point there.
 */
export function bundlePackages(specifiers: readonly string[]): BundledPackages {
  const contents = specifiers.map(
    (name) => `exports[${JSON.stringify(name)}] = () => require(${JSON.stringify(name)});`,
  );
  const bundled = build(
    {
      stdin: { contents: contents.join('\n'), resolveDir: ROOT, sourcefile: 'packages.js' },
      outfile: 'index.js',
      format: 'cjs',
      external: ['@aws-sdk/*', '@smithy/*'],
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: 'inline',
      supported: { 'dynamic-import': false },
    },
    'third-party packages',
  );
  const stubs = specifiers.flatMap((specifier) => [
    [pathOf(specifier), `module.exports = require('${HOME}')[${JSON.stringify(specifier)}]();\n`] as const,
    [`${packageOf(specifier)}/package.json`, manifest(packageOf(specifier))] as const,
  ]);
  return {
    files: new Map([[`${HOME}/index.js`, bundled.outputFiles[0]?.text ?? ''], ...stubs]),
    inputs: inputsOf(bundled).filter((path) => path !== 'packages.js'),
  };
}
