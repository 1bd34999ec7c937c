import { type Command, InvalidArgumentError, Option } from 'commander';
import { regionsOption, wholeNumber } from './arguments.ts';
import { alternativesOf } from './capacity/alternatives.ts';
import { costOf } from './capacity/cost.ts';
import { limitsOf } from './capacity/limits.ts';
import { modelOf } from './capacity/model.ts';
import { PRICES_DATE, PRICES_REGION, priceFile, pricesWith } from './capacity/prices.ts';
import { type Report, reportText } from './capacity/print.ts';
import { type PriceTable, readPrices } from './capacity/read-prices.ts';
import {
  DATABASES,
  type DatabaseKind,
  DEFAULTS,
  KAFKA_FLAVOURS,
  type KafkaFlavour,
  LINKS,
  type Links,
  SIZE_NAMES,
  type Size,
  type Workload,
} from './capacity/workload.ts';
import { Failure } from './failure.ts';

type Options = {
  readonly writes: number;
  readonly regions: number;
  readonly rowBytes: number;
  readonly columns: number;
  readonly changesPerTransaction: number;
  readonly updates: number;
  readonly deletes: number;
  readonly conflicts: number;
  readonly peak: number;
  readonly retentionHours: number;
  readonly partitions: number;
  readonly vectorEntries: number;
  readonly tableRows: number;
  readonly kafka: KafkaFlavour;
  readonly broker?: Size;
  readonly links: Links;
  readonly copyRatio: number;
  readonly database: DatabaseKind;
  readonly instance: Instance;
  readonly proxy: boolean;
  readonly batchMs: number;
  readonly lambdaUs: number;
  readonly databaseUs: number;
  readonly connectorCeiling: number;
  readonly prices?: string;
  readonly listPrices?: boolean;
  readonly json?: boolean;
};
type Instance = Pick<Workload, 'instanceFamily' | 'instanceSize'>;

/** A parser for a number within limits, both included. */
const numberBetween =
  (from: number, to: number) =>
  (text: string): number => {
    const number = Number(text);
    if (!/^\d*\.?\d+$/.test(text) || number < from || number > to)
      throw new InvalidArgumentError(`It is a number from ${from} to ${to}.`);
    return number;
  };

function instance(text: string): Instance {
  const [, family, size] = /^(?:db\.)?(r7g|m7g)\.(\w+)$/.exec(text) ?? [];
  if (family === undefined || !SIZE_NAMES.includes(size as Size))
    throw new InvalidArgumentError(`It is r7g or m7g, a dot, and one of ${SIZE_NAMES.join(', ')}.`);
  return { instanceFamily: family as Instance['instanceFamily'], instanceSize: size as Size };
}

const option = <T>(flags: string, description: string, parse: (text: string) => T, value: T, shown?: string): Option =>
  new Option(flags, description).default(value, shown).argParser(parse);
const share = (flags: string, description: string, value: number): Option =>
  option(flags, description, numberBetween(0, 1), value);

export function addCapacity(program: Command): void {
  const command = program
    .command('capacity')
    .description(
      'on paper: throughput, ceilings and monthly cost of a workload on AWS, beside other means; no account is asked',
    )
    .addOption(
      option(
        '--writes <n>',
        'changed rows per second in each region, on average',
        numberBetween(0.01, 1e6),
        DEFAULTS.writes,
      ),
    )
    .addOption(regionsOption(DEFAULTS.regions))
    .addOption(
      option(
        '--row-bytes <n>',
        "the application's values of a row, as text",
        wholeNumber(1, 1_000_000),
        DEFAULTS.rowBytes,
      ),
    )
    .addOption(option('--columns <n>', 'of a row', wholeNumber(1, 1000), DEFAULTS.columns))
    .addOption(
      option(
        '--changes-per-transaction <n>',
        'matters to pgactive, not to apply',
        numberBetween(1, 1e6),
        DEFAULTS.changesPerTransaction,
      ),
    )
    .addOption(
      share(
        '--updates <share>',
        'of the changes; what is neither update nor delete is an insert',
        DEFAULTS.updateShare,
      ),
    )
    .addOption(share('--deletes <share>', 'of the changes', DEFAULTS.deleteShare))
    .addOption(share('--conflicts <share>', "of the changes: concurrent to another region's", DEFAULTS.conflictShare))
    .addOption(option('--peak <factor>', 'busiest minutes over the mean', numberBetween(1, 1000), DEFAULTS.peakFactor))
    .addOption(option('--retention-hours <n>', 'of the topics', wholeNumber(1, 8760), DEFAULTS.retentionHours))
    .addOption(option('--partitions <n>', "of each region's topic", wholeNumber(1, 1000), DEFAULTS.partitions))
    .addOption(
      option('--vector-entries <n>', 'regions that have written a row', wholeNumber(1, 32), DEFAULTS.vectorEntries),
    )
    .addOption(option('--table-rows <n>', 'of all enrolled tables', wholeNumber(0, 1e12), DEFAULTS.tableRows))
    .addOption(new Option('--kafka <flavour>', 'brokers of MSK').choices(KAFKA_FLAVOURS).default(DEFAULTS.kafka))
    .addOption(
      new Option('--broker <size>', 'of m7g (default: the smallest that carries the peak)').choices(SIZE_NAMES),
    )
    .addOption(
      new Option('--links <kind>', 'what copies topics between regions').choices(LINKS).default(DEFAULTS.links),
    )
    .addOption(
      option(
        '--copy-ratio <share>',
        'bytes of a copied record over the original, which replicators compress',
        numberBetween(0.01, 1),
        DEFAULTS.copyRatio,
      ),
    )
    .addOption(
      new Option('--database <kind>', 'two instances: with a reader, or a standby')
        .choices(DATABASES)
        .default(DEFAULTS.database),
    )
    .addOption(option('--instance <class>', 'of the database', instance, instance('r7g.large'), 'r7g.large'))
    .option('--no-proxy', 'apply connects to the database itself')
    .addOption(
      option('--batch-ms <ms>', 'between two batches of a mapping', numberBetween(1, 300_000), DEFAULTS.batchMs),
    )
    .addOption(
      option('--lambda-us <us>', 'CPU of the function per row', numberBetween(0.1, 10_000), DEFAULTS.lambdaRowUs),
    )
    .addOption(
      option(
        '--database-us <us>',
        'CPU of the database per applied row',
        numberBetween(0.1, 10_000),
        DEFAULTS.databaseRowUs,
      ),
    )
    .addOption(
      option(
        '--connector-ceiling <n>',
        'changes per second of one Debezium connector',
        wholeNumber(1, 1e6),
        DEFAULTS.connectorCeiling,
      ),
    )
    .option('--prices <file>', 'prices of your own, as --list-prices has them; what it leaves out is taken from there')
    .option('--list-prices', 'print the prices with their sources, as JSON, and nothing else')
    .option('--json', 'one JSON object in place of tables')
    .addHelpText(
      'after',
      '\nExamples:\n  concord capacity --writes 500 --regions 8 --row-bytes 300\n  concord capacity --writes 50 --regions 3 --database rds --instance m7g.large --no-proxy\n  concord capacity --list-prices > prices.json\n  concord capacity --prices prices.json --json\n\nFormulas and their sources: docs/capacity.md',
    );
  command.action(run);
}

async function run(options: Options): Promise<void> {
  if (options.listPrices === true) return print(JSON.stringify(priceFile(), null, 2));
  const workload = workloadOf(options);
  const prices: PriceTable =
    options.prices === undefined
      ? { region: PRICES_REGION, date: PRICES_DATE, prices: pricesWith() }
      : await readPrices(options.prices);
  const report = reportOf(workload, prices);
  print(options.json === true ? JSON.stringify(report) : reportText(report));
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

function reportOf(workload: Workload, { prices, ...pricesOf }: PriceTable): Report {
  const model = modelOf(workload);
  const cost = costOf(workload, model, prices);
  return {
    workload,
    pricesOf,
    model,
    limits: limitsOf(workload, model),
    cost,
    alternatives: alternativesOf(workload, model, cost, prices),
  };
}

/** Throws a Failure where options do not fit each other. */
function workloadOf(options: Options): Workload {
  const { writes, regions, rowBytes, columns, changesPerTransaction, retentionHours, partitions, tableRows } = options;
  const { kafka, links, copyRatio, database, proxy, batchMs, connectorCeiling } = options;
  const { updates, deletes, instance } = options;
  if (updates + deletes > 1)
    throw new Failure(
      `--updates ${updates} and --deletes ${deletes} are more than all changes`,
      'together at most 1',
      2,
    );
  if (database === 'aurora' && instance.instanceFamily === 'm7g')
    throw new Failure('Aurora has no m7g instances', '--instance r7g.<size>, or --database rds', 2);
  return {
    ...DEFAULTS,
    ...{ writes, regions, rowBytes, columns, changesPerTransaction, retentionHours, partitions, tableRows },
    ...{ kafka, links, copyRatio, database, proxy, batchMs, connectorCeiling },
    ...instance,
    updateShare: updates,
    deleteShare: deletes,
    conflictShare: options.conflicts,
    peakFactor: options.peak,
    brokerSize: options.broker,
    lambdaRowUs: options.lambdaUs,
    databaseRowUs: options.databaseUs,
    vectorEntries: Math.min(options.vectorEntries, regions),
  };
}
