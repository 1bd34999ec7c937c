/** Who asks. */
export type Identity = { readonly account: string; readonly arn: string };

export type Stack = {
  readonly name: string;
  readonly status: string;
  readonly isProtected: boolean;
  readonly tags: Readonly<Record<string, string>>;
};

export type Resource = { readonly logicalId: string; readonly type: string; readonly physicalId: string };

/** A resource of a template; references in it are not resolved. */
export type Declared = {
  readonly type: string;
  readonly properties: Readonly<Record<string, unknown>>;
  /** It stays, or leaves a snapshot, when the stack goes. */
  readonly isKept: boolean;
};

/** Where the Data API reaches a database. */
export type SqlTarget = {
  readonly region: string;
  readonly clusterArn: string;
  readonly secretArn: string;
  readonly database: string;
};

/** Columns by name, all as text or null. */
export type Row = Readonly<Record<string, string | null>>;

/** What Lambda says of an event source mapping, as its API spells it. */
export type Mapping = {
  readonly uuid: string;
  readonly state: string;
  readonly properties: Readonly<Record<string, unknown>>;
};

export type Connector = { readonly state: string; readonly settings: Readonly<Record<string, string>> };

export type Alarm = {
  readonly name: string;
  readonly state: string;
  readonly actions: readonly string[];
};

export type MetricQuery = {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: 'Sum' | 'Maximum';
};

/** What stacks leave behind on purpose, in the order in which it can be removed: what encrypts comes last. */
export const LEFTOVER_KINDS = [
  'db-instance',
  'db-cluster',
  'db-snapshot',
  'db-cluster-snapshot',
  'db-subnet-group',
  'db-parameter-group',
  'db-cluster-parameter-group',
  'backup-vault',
  'kafka-cluster',
  'kafka-configuration',
  'bucket',
  'secret',
  'log-group',
  'key',
] as const;

/** `id` is what its service calls it: a name for some, an ARN for others. */
export type Leftover = { readonly kind: (typeof LEFTOVER_KINDS)[number]; readonly id: string };

/** All that the probe asks of AWS; a region comes first. What fails throws, with AWS's own words. */
export interface Cloud {
  identity(): Promise<Identity>;
  /** Whether `cdk bootstrap` ran here. */
  isBootstrapped(region: string): Promise<boolean>;
  /** Those whose names begin with `Concord-`; deleted ones are not there. */
  stacks(region: string): Promise<readonly Stack[]>;
  resources(region: string, stack: string): Promise<readonly Resource[]>;
  /** By logical id. */
  declared(region: string, stack: string): Promise<Readonly<Record<string, Declared>>>;
  unprotect(region: string, stack: string): Promise<void>;
  deleteStack(region: string, stack: string): Promise<void>;
  /** Runs `npx cdk <words>` to its end. Resolves to all that it printed, throws with the end of it. */
  cdk(words: readonly string[]): Promise<string>;
  /** Of an Aurora cluster, by its name. */
  database(region: string, cluster: string): Promise<Pick<SqlTarget, 'clusterArn' | 'secretArn'>>;
  /** Databases stand where nothing but AWS reaches them: this opens the Data API, which is closed as deployed. */
  openDataApi(region: string, clusterArn: string): Promise<void>;
  sql(target: SqlTarget, statement: string): Promise<readonly Row[]>;
  mapping(region: string, uuid: string): Promise<Mapping>;
  enableMapping(region: string, uuid: string, enabled: boolean): Promise<void>;
  /** The id of the secret's version that holds. */
  secretVersion(region: string, secretArn: string): Promise<string>;
  rotate(region: string, secretArn: string): Promise<void>;
  connector(region: string, arn: string): Promise<Connector>;
  /** One figure per five minutes since then; empty when nothing arrived. */
  datapoints(region: string, query: MetricQuery, sinceMs: number): Promise<readonly number[]>;
  /** Names of metrics in a namespace that have arrived. */
  metricNames(region: string, namespace: string): Promise<readonly string[]>;
  alarms(region: string, names: readonly string[]): Promise<readonly Alarm[]>;
  /** Whether an alarm was in this state since then. */
  wasInState(region: string, alarm: string, state: string, sinceMs: number): Promise<boolean>;
  /** Lines of a log group since then that hold the text; at most ten. */
  logLines(region: string, logGroup: string, text: string, sinceMs: number): Promise<readonly string[]>;
  /** Keys in a bucket. */
  objects(region: string, bucket: string): Promise<readonly string[]>;
  /** ARNs of everything under this tag. AWS is told late of what is gone: some of it may be. */
  tagged(region: string, key: string, value: string): Promise<readonly string[]>;
  /** Waits until it is gone; what is gone already is no error. */
  remove(region: string, leftover: Leftover): Promise<void>;
}
