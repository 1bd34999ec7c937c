import type { Command } from 'commander';
import { forgetRegion } from '../functions/lifecycle/forget.ts';
import { closeGaps } from '../functions/lifecycle/gaps.ts';
import { readIncarnation, resume, suspend } from '../functions/lifecycle/incarnation.ts';
import { newIncarnation } from '../local/region/new-incarnation.ts';
import { rejoinTable } from '../local/region/rejoin-table.ts';
import { confirm, nothingDone } from './confirm.ts';
import { withDatabase } from './database.ts';
import { Failure } from './failure.ts';
import { type RegionUrls, regionUrls, type UrlOptions } from './region-urls.ts';
import { readTopology } from './topology.ts';

type Options = UrlOptions & { readonly topology: string; readonly yes?: boolean; readonly json?: boolean };
type OneOptions = { readonly url: string; readonly yes?: boolean; readonly json?: boolean };

const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];

const print = (json: boolean | undefined, value: unknown, text: string): void =>
  void process.stdout.write(`${json === true ? JSON.stringify(value) : text}\n`);

/** Steps of the life of a region; docs/lifecycle.md puts them in order. */
export function addRegion(program: Command): void {
  const region = program
    .command('region')
    .description('steps of the life of a region: restore, evict and rejoin, remove; docs/lifecycle.md has their order');
  const onAll = (name: string, description: string) =>
    region
      .command(name)
      .description(description)
      .argument('<name>', 'the region')
      .option('--topology <file>', 'the topology, with this region', 'concord.json')
      .option('--region <name=url>', 'database of a region; once for each', collect)
      .option('--urls <file>', 'the same from a JSON file: {"us-east-1": "postgres://…"}')
      .option('--apply <name=url>', 'as role concord_apply; by default without a password', collect)
      .option('--yes', 'without a question')
      .option('--json', 'one JSON object in place of lines')
      .addHelpText('after', `\nExample:\n  concord region ${name} eu-west-1 --urls urls.json`);
  const onOne = (name: string, description: string, example: string) =>
    region
      .command(name)
      .description(description)
      .requiredOption('--url <url>', 'connection URL of the database')
      .option('--yes', 'without a question')
      .option('--json', 'one JSON object in place of lines')
      .addHelpText(
        'after',
        `\nExample:\n  concord region ${name} --url postgres://concord_operator@db.example/app${example}`,
      );

  onOne('suspend', 'refuse local writes in a database that is an earlier state of its region', '').action(
    suspendRegion,
  );
  onAll(
    'begin-incarnation',
    'after a restore: later stamps and greater ids than anybody knows of the region; writes stay refused',
  ).action(begin);
  onOne('resume', 'take local writes again: topics were read again, and reconciliation found nothing open', '').action(
    resumeRegion,
  );
  onAll(
    'rejoin',
    'after an eviction, before its mappings are made: remove rows that the others deleted while it was away',
  ).action(rejoin);
  onOne(
    'forget',
    'forget how far the topic of a region was applied here: it was removed for good, or its topic was made again',
    ' sa-east-1',
  )
    .argument('<name>', 'the region that is gone')
    .action(forget);
  onOne(
    'close-gaps',
    'records of a region that are gone hold nothing back any more: its tables were loaded',
    ' us-east-1',
  )
    .argument('<name>', 'the region whose records were passed over')
    .action(close);
}

async function suspendRegion({ url, json }: OneOptions): Promise<void> {
  await withDatabase(url, async (sql) => {
    await suspend(sql, 'an operator suspended it');
    const found = await readIncarnation(sql);
    print(json, found, `${found.region}: takes no writes: ${found.suspended}`);
  });
}

async function urlsOf(name: string, options: Options): Promise<{ urls: RegionUrls; url: string; applyUrl: string }> {
  const topology = await readTopology(options.topology);
  if (!topology.regions.some((entry) => entry.name === name))
    throw new Failure(`'${name}' is not in the topology`, 'name a region, and the topology that has it', 2);
  const urls = await regionUrls(options, topology);
  return { urls, url: urls.get(name)?.url ?? '', applyUrl: urls.get(name)?.applyUrl ?? '' };
}

async function begin(name: string, options: Options): Promise<void> {
  const topology = await readTopology(options.topology);
  const { urls, url } = await urlsOf(name, options);
  const question = `Is the database of ${name} an earlier state of itself? Its next incarnation begins, and writes are refused until \`concord region resume\`.`;
  if (!(await confirm(question, options))) return nothingDone();
  const others = [...urls].filter(([other]) => other !== name).map(([, address]) => address.url);
  const begun = await newIncarnation({ topology, region: name, url, others });
  print(
    options.json,
    begun,
    `${name} writes as ${begun.region} from now on, once it may\nnext: read its topics again from its watermarks, and its own, reconcile with --repair, then \`concord region resume\``,
  );
}

async function resumeRegion({ url, json }: OneOptions): Promise<void> {
  await withDatabase(url, async (sql) => {
    if (!(await resume(sql))) {
      const { region, suspended } = await readIncarnation(sql);
      throw new Failure(`${region} takes no writes: ${suspended}`, '`concord region begin-incarnation` comes first');
    }
    const { region } = await readIncarnation(sql);
    print(json, { region, resumed: true }, `${region}: takes writes`);
  });
}

async function rejoin(name: string, options: Options): Promise<void> {
  const topology = await readTopology(options.topology);
  const { urls, applyUrl } = await urlsOf(name, options);
  const question = `Delete in ${name} what the others had deleted while it was away? Its mappings and its connector must not run.`;
  if (!(await confirm(question, options))) return nothingDone();
  const readUrls = new Map([...urls].map(([region, { url }]) => [region, url]));
  const done: Record<string, unknown> = {};
  for (const { name: table } of topology.tables) {
    const found = await rejoinTable({ table, topology, region: name, urls: readUrls, applyUrl });
    done[table] = found;
    if (options.json !== true)
      print(false, found, `${table}: ${found.deleted} rows deleted, ${found.undelivered} that only ${name} has stay`);
  }
  if (options.json === true) print(true, done, '');
}

async function forget(name: string, { url, json, yes }: OneOptions): Promise<void> {
  if (
    !(await confirm(
      `Forget how far the topic of ${name} was applied here? It was removed for good, or its topic was made again.`,
      {
        yes,
      },
    ))
  )
    return nothingDone();
  await withDatabase(url, (sql) => forgetRegion(sql, name));
  print(json, { forgotten: name }, `${name}: forgotten here; what it wrote stays`);
}

async function close(name: string, { url, json, yes }: OneOptions): Promise<void> {
  if (!(await confirm(`Were all tables loaded here since records of ${name} were passed over?`, { yes })))
    return nothingDone();
  const offsets = await withDatabase(url, (sql) => closeGaps(sql, name));
  print(json, { region: name, offsets }, `${name}: ${offsets} offsets hold nothing back any more; reconcile now`);
}
