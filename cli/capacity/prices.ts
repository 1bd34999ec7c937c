/**
 * How a price was checked, as AWS's price pages draw their figures by script and could not be read: `documented`: a page of AWS's
 * documentation or blog says it; `repeated`: public price lists of others repeat it; `assumed`: known, and confirmed by nobody.
 */
type Checked = 'documented' | 'repeated' | 'assumed';

type Price = {
  readonly usd: number;
  readonly per: string;
  /** Page of AWS that states it. */
  readonly source: string;
  readonly checked: Checked;
};

const MSK = 'Amazon MSK pricing';
const LAMBDA = 'AWS Lambda pricing';
const AURORA = 'Amazon Aurora pricing';
const RDS = 'Amazon RDS for PostgreSQL pricing';
const EC2 = 'Amazon EC2 on-demand pricing, data transfer';
const CLOUDWATCH = 'Amazon CloudWatch pricing';

const price = (usd: number, per: string, source: string, checked: Checked): Price => ({ usd, per, source, checked });

/** What holds for all prices below: on demand, without free tiers and commitments. */
export const PRICES_REGION = 'us-east-1';
export const PRICES_DATE = '2026-11';

/** Instances are `large`; other sizes cost in proportion. */
export const PRICES = {
  kafkaBroker: price(0.204, 'hour, kafka.m7g.large', MSK, 'repeated'),
  kafkaStorage: price(0.1, 'GB-month', MSK, 'repeated'),
  kafkaBrokerMetrics: price(40, 'month and region, PER_BROKER', CLOUDWATCH, 'assumed'),
  expressBroker: price(0.408, 'hour, express.m7g.large', MSK, 'repeated'),
  expressDataIn: price(0.01, 'GB written', MSK, 'assumed'),
  expressStorage: price(0.1, 'GB-month, one copy', MSK, 'assumed'),
  serverlessCluster: price(0.75, 'hour', MSK, 'repeated'),
  serverlessPartition: price(0.0015, 'partition-hour', MSK, 'repeated'),
  serverlessIn: price(0.1, 'GB written', MSK, 'repeated'),
  serverlessOut: price(0.05, 'GB read', MSK, 'repeated'),
  serverlessStorage: price(0.1, 'GB-month, one copy', MSK, 'assumed'),
  privateConnectivity: price(0.0225, 'hour, cluster and way to sign in', MSK, 'repeated'),
  privateData: price(0.006, 'GB', MSK, 'repeated'),
  replicator: price(0.3, 'hour', MSK, 'repeated'),
  replicatorData: price(0.08, 'GB replicated', MSK, 'repeated'),
  connectUnit: price(0.11, 'hour, MSK Connect unit', MSK, 'repeated'),
  interRegion: price(0.02, 'GB to another region', EC2, 'assumed'),
  pollerUnit: price(0.185, 'hour, event poller unit', LAMBDA, 'documented'),
  lambdaGbSecond: price(0.0000133334, 'GB-second, arm64', LAMBDA, 'repeated'),
  lambdaMillion: price(0.2, 'million invocations', LAMBDA, 'repeated'),
  logs: price(0.5, 'GB ingested', CLOUDWATCH, 'assumed'),
  smallThings: price(25, 'month and region: keys, secrets, alarms, metrics', 'docs/deploy.md', 'assumed'),
  secretsEndpoint: price(0.01, 'hour and zone, interface endpoint', 'AWS PrivateLink pricing', 'assumed'),
  reconcileMillion: price(0.001, 'million rows a night: Step Functions, Lambda, S3', 'docs/deploy.md', 'assumed'),
  proxyVcpu: price(0.015, 'hour and vCPU, RDS Proxy', 'Amazon RDS Proxy pricing', 'repeated'),
  auroraR7g: price(0.276, 'hour, db.r7g.large', AURORA, 'repeated'),
  rdsR7g: price(0.239, 'hour, db.r7g.large, one zone', RDS, 'repeated'),
  rdsM7g: price(0.168, 'hour, db.m7g.large, one zone', RDS, 'repeated'),
  auroraStorage: price(0.1, 'GB-month', AURORA, 'assumed'),
  rdsStorage: price(0.115, 'GB-month, gp3, one zone', RDS, 'repeated'),
  auroraWrites: price(0.2, 'million I/O requests', AURORA, 'repeated'),
  fargateVcpu: price(0.04048, 'hour', 'AWS Fargate pricing', 'repeated'),
  fargateGb: price(0.004445, 'hour', 'AWS Fargate pricing', 'repeated'),
  dmsInstance: price(0.154, 'hour, dms.c5.large, one zone', 'AWS DMS pricing', 'assumed'),
} as const satisfies Readonly<Record<string, Price>>;

export type PriceName = keyof typeof PRICES;
export type Prices = Readonly<Record<PriceName, number>>;

export const PRICE_NAMES = Object.keys(PRICES) as PriceName[];

/** The prices in USD, with some of them replaced. */
export const pricesWith = (other: Partial<Prices> = {}): Prices =>
  Object.fromEntries(PRICE_NAMES.map((name) => [name, other[name] ?? PRICES[name].usd])) as Prices;

/** What `--list-prices` prints and `--prices` reads. */
export const priceFile = (): object => ({
  version: 1,
  region: PRICES_REGION,
  date: PRICES_DATE,
  prices: PRICES,
});
