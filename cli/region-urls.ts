import { readFile } from 'node:fs/promises';
import type { Topology } from '@concord/events';
import type { RegionAddress } from '../local/reconcile/regions.ts';
import { Failure } from './failure.ts';

export type UrlOptions = {
  /** `name=url`, as often as there are regions. */
  readonly region?: readonly string[];
  /** `name=url` of role `concord_apply`. */
  readonly apply?: readonly string[];
  /** A file: `{"us-east-1": "postgres://…"}`. */
  readonly urls?: string;
};

const ROLE = 'concord_apply';

/** A URL of each region of the topology; throws a Failure that names what is missing or does not belong. */
export type RegionUrls = ReadonlyMap<string, RegionAddress>;

export async function regionUrls(options: UrlOptions, topology: Topology): Promise<RegionUrls> {
  const names = topology.regions.map(({ name }) => name);
  const [urls, applyUrls] = await urlsInFile(options.urls);
  for (const [name, url] of pairs('--region', options.region ?? [])) once(urls, name, url);
  for (const [name, url] of pairs('--apply', options.apply ?? [])) once(applyUrls, name, url);
  for (const name of [...urls.keys(), ...applyUrls.keys()])
    if (!names.includes(name))
      throw new Failure(`'${name}' is not in the topology`, `its regions are ${names.join(', ')}`, 2);
  const missing = names.filter((name) => !urls.has(name));
  if (missing.length > 0)
    throw new Failure(
      `no URL of ${missing.join(', ')}: a region that is left out could differ unnoticed`,
      `--region ${missing[0]}=postgres://concord_operator@host/database, or all in a file: --urls urls.json`,
      2,
    );
  return new Map(
    names.map((name) => {
      const url = checkedUrl(name, urls.get(name) ?? '');
      const applyUrl = applyUrls.get(name);
      return [name, { url, applyUrl: applyUrl === undefined ? asRole(url) : checkedUrl(name, applyUrl) }];
    }),
  );
}

function once(urls: Map<string, string>, name: string, url: string): void {
  if (urls.has(name)) throw new Failure(`two URLs of ${name}`, 'one database is one region', 2);
  urls.set(name, url);
}

const pairs = (option: string, texts: readonly string[]): [name: string, url: string][] =>
  texts.map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw new Failure(`${option} '${text}' names no region`, `${option} us-east-1=postgres://…`, 2);
    return [text.slice(0, at), text.slice(at + 1)];
  });

function checkedUrl(name: string, url: string): string {
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return url;
  throw new Failure(`the URL of ${name} is not one of PostgreSQL`, 'postgres://user@host:5432/database', 2);
}

/** The same database as role `concord_apply`; the password of another role is not its own. */
function asRole(url: string): string {
  const other = new URL(url);
  if (other.username === ROLE) return url;
  other.username = ROLE;
  other.password = '';
  return other.href;
}

type Entry = string | { readonly url?: unknown; readonly apply?: unknown };

async function urlsInFile(
  path: string | undefined,
): Promise<[urls: Map<string, string>, applyUrls: Map<string, string>]> {
  const [urls, applyUrls] = [new Map<string, string>(), new Map<string, string>()];
  if (path === undefined) return [urls, applyUrls];
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`cannot read ${path}: ${error.code}`, 'name the file with --urls FILE', 2);
  });
  for (const [name, entry] of Object.entries(entriesOf(path, text))) {
    const { url, apply } = typeof entry === 'string' ? { url: entry, apply: undefined } : (entry ?? {});
    if (typeof url !== 'string' || (apply !== undefined && typeof apply !== 'string'))
      throw new Failure(`${path}: no URL of ${name}`, FORM, 2);
    urls.set(name, url);
    if (apply !== undefined) applyUrls.set(name, apply);
  }
  return [urls, applyUrls];
}

const FORM = 'it is an object: {"us-east-1": "postgres://…"}, or with {"url": "…", "apply": "…"} in place of a text';

function entriesOf(path: string, text: string): Readonly<Record<string, Entry>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What stands there may be a password: the parser's own message quotes it.
    throw new Failure(`${path} is not JSON`, FORM, 2);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, Entry>;
  throw new Failure(`${path} holds no URLs`, FORM, 2);
}
