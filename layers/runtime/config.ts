import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseTopology, type Topology } from '@concord/events';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the password of a new connection comes from. `none`: the URL has none, and the server asks for none. */
export type PasswordSource =
  | { readonly kind: 'url' | 'iam' | 'none' }
  | { readonly kind: 'secret'; readonly secretArn: string };

export type DatabaseConfig = {
  /** Of the region's database or its proxy. */
  readonly url: string;
  readonly password: PasswordSource;
  /** Prepared statements: only direct connections and poolers that know them allow it. */
  readonly prepare: boolean;
};

export type Config = { readonly region: string; readonly topology: Topology; readonly database: DatabaseConfig };

/**
 * The environment of a function that works on a region's database. Throws with the name of the variable that is missing or
 * wrong, and without its value.
 */
export function readConfig(environment: Environment = process.env): Config {
  const region = readVariable('CONCORD_REGION', environment);
  return { region, topology: readTopology(environment), database: readDatabaseConfig(environment) };
}

/** Throws when the variable is missing or empty. */
export function readVariable(name: string, environment: Environment = process.env): string {
  const value = environment[name];
  if (value === undefined || value === '') throw wrong(name, 'is missing');
  return value;
}

/** `CONCORD_DATABASE_URL`, at most one source of its password, and `CONCORD_PREPARE`. */
export function readDatabaseConfig(environment: Environment = process.env): DatabaseConfig {
  const url = readVariable('CONCORD_DATABASE_URL', environment);
  return {
    url,
    password: readPasswordSource(parseUrl(url), environment),
    prepare: readFlag('CONCORD_PREPARE', environment),
  };
}

const wrong = (name: string, reason: string): Error => new Error(`configuration: ${name} ${reason}`);

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol))
    throw wrong('CONCORD_DATABASE_URL', 'is not postgres://user@host:5432/database?sslmode=verify-full');
  return url;
}

function readFlag(name: string, environment: Environment): boolean {
  const value = environment[name] ?? 'false';
  if (value !== 'true' && value !== 'false') throw wrong(name, "is neither 'true' nor 'false'");
  return value === 'true';
}

const SOURCES = 'CONCORD_DATABASE_SECRET, CONCORD_DATABASE_IAM=true, or a password in CONCORD_DATABASE_URL';

function readPasswordSource(url: URL, environment: Environment): PasswordSource {
  const secretArn = environment.CONCORD_DATABASE_SECRET;
  const sources: PasswordSource[] = [];
  if (url.password !== '') sources.push({ kind: 'url' });
  if (secretArn !== undefined && secretArn !== '') sources.push({ kind: 'secret', secretArn });
  if (readFlag('CONCORD_DATABASE_IAM', environment)) sources.push({ kind: 'iam' });
  if (sources.length > 1) throw new Error(`configuration: more than one password: give one of ${SOURCES}`);
  // Only a database on one's own machine lets anybody in without a password.
  if (sources.length === 0 && environment.LAMBDA_TASK_ROOT !== undefined)
    throw new Error(`configuration: no password: give one of ${SOURCES}`);
  return sources[0] ?? { kind: 'none' };
}

/** Lambda's environment holds 4 KB, so there the topology is a file beside the function's code. */
const TOPOLOGY_FILE = 'topology.json';

/** For a function that reaches no database. Throws what does not parse. */
export function readTopology(environment: Environment = process.env): Topology {
  const { name, text } = topologyText(environment);
  const parsed = parseTopology(parseJson(name, text));
  if (parsed.ok) return parsed.topology;
  const problems = parsed.problems.map(({ path, reason, hint }) => `${path} ${reason} (${hint})`);
  throw wrong(name, problems.join('; '));
}

function topologyText(environment: Environment): { name: string; text: string } {
  const name = 'CONCORD_TOPOLOGY';
  const given = environment[name];
  if (given !== undefined && given !== '') return { name, text: given };
  const folder = environment.LAMBDA_TASK_ROOT;
  if (folder === undefined) throw wrong(name, `is missing, and there is no LAMBDA_TASK_ROOT with a ${TOPOLOGY_FILE}`);
  try {
    return { name: TOPOLOGY_FILE, text: readFileSync(join(folder, TOPOLOGY_FILE), 'utf8') };
  } catch (error) {
    throw wrong(name, `is missing, and ${TOPOLOGY_FILE} cannot be read: ${(error as Error).message}`);
  }
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong(name, 'is not JSON');
  }
}
