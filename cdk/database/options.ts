/** A proxy before the database: 0.015 USD per hour and vCPU of the database, that is 22 USD/month for each instance of two. */
export type ProxyOptions = {
  /**
   * How apply signs in to the proxy. Default `iam`: with a token of its role, made without a call and valid for 15 minutes; it knows
   * no password, and a rotation is between the proxy and the database alone. `secret`: with the password of `concord_apply`.
   */
  readonly authentication?: 'iam' | 'secret';
  /** Of the database's `max_connections`, default 30: the rest is the application's. Apply holds one per batch in work. */
  readonly maxConnectionsPercent?: number;
  /** Default 15: a Lambda environment that idles is frozen that long, or gone. It notices a closed connection and opens another. */
  readonly idleClientMinutes?: number;
};

export type BackupOptions = {
  /** Of a daily backup. Default 35, as long as point-in-time recovery reaches back. */
  readonly keepDays?: number;
  /**
   * Another region of the topology, in the same account, whose vault gets a copy of each, encrypted with that vault's key. Its
   * database must be made here as well, as the vault comes with it. Default none: the other regions hold the same rows; a copy guards against what they all do.
   * Storage 0.02 USD/GB-month, transfer 0.02 USD/GB.
   */
  readonly copyTo?: string;
  /**
   * `governance`: only who may lift the lock deletes a backup before its time. `compliance`: nobody does, nor AWS, from three days
   * after the deployment on. Default none.
   */
  readonly lock?: 'governance' | 'compliance';
};

/** What goes when the stack goes. `retain` (default): nothing that holds data. `snapshot`: the database, after a last snapshot. `destroy`: all, for trials. */
export type Removal = 'retain' | 'snapshot' | 'destroy';

type RoleOptions = {
  /** Of the passwords of `concord_apply` and `concord_capture`, in days. Default 30. */
  readonly rotationDays?: number;
  readonly removal?: Removal;
};

/** A database that is there already: on RDS, Aurora or anywhere that the VPC reaches. Nothing of it is changed but what enrolling does. */
export type ExistingDatabase = RoleOptions & {
  readonly kind: 'existing';
  /** Past any proxy: enrolling and capture need sessions of their own. */
  readonly host: string;
  readonly port?: number;
  readonly name: string;
  /** Name or ARN of the secret with `username` and `password` of a role that may enroll: see docs/deploy.md. */
  readonly adminSecret: string;
  /** ARN of the key that encrypts it, where that is not the one of AWS. */
  readonly adminSecretKey?: string;
  /** For apply: a proxy or pooler in transaction mode. Default: the database itself. */
  readonly proxy?: { readonly host: string; readonly port?: number };
  /** `verify-full` unless the database cannot speak TLS at all, which only a test's cannot. */
  readonly sslmode?: 'verify-full' | 'disable';
  /** Where it and its proxy are: functions and connector may send to their ports in this range. Default 0.0.0.0/0, wherever a route leads. */
  readonly cidr?: string;
};

export type CreatedDatabase = RoleOptions & {
  /** Default `app`. */
  readonly name?: string;
  /** Default `postgres`. RDS makes its password, rotates it every week, and alone writes its secret. */
  readonly adminUsername?: string;
  /** Default `{}`: there is one. `false`: apply opens its few connections to the database itself, and sees each failover. */
  readonly proxy?: ProxyOptions | false;
  readonly backups?: BackupOptions;
  /**
   * First of four hours for backups and maintenance, UTC: 0 to 20. Default: at night where the region is. A new minor version
   * takes the region's writes away for half a minute; the other regions go on.
   */
  readonly quietHourUtc?: number;
  /** `advanced`: 15 months of query history in place of 7 days, 9 USD/month and vCPU. Default `standard`, free. */
  readonly insights?: 'standard' | 'advanced';
  /** Of PostgreSQL's log, in days. Default 90. */
  readonly logDays?: 30 | 90 | 365;
  /**
   * WAL that a slot which nobody reads may keep, in MiB, `max_slot_wal_keep_size`. Beyond that the slot is lost, its changes are
   * published again as docs/capture.md describes, and the region keeps running. Default for an instance: half of `storageGb`; for
   * Aurora -1, no limit: its volume grows, 0.10 USD/GB-month, and never fills.
   */
  readonly slotKeepMb?: number;
  /** Slot lag that raises an alarm, in MiB. Default 5120. */
  readonly slotLagAlarmMb?: number;
  /** Connections that raise an alarm. Default 1000; an instance of 16 GiB takes about 1700. */
  readonly connectionsAlarm?: number;
};

export type AuroraDatabase = CreatedDatabase & {
  readonly kind: 'aurora';
  /** Of PostgreSQL, 15 or later. Default 17.7; minor versions are upgraded by AWS, keep the line as it is. */
  readonly version?: string;
  /**
   * Default r7g.large: two vCPUs and 16 GiB, 200 USD/month each. Serverless follows the load in units of 2 GiB, 88 USD/month each;
   * capture reads day and night, so it never pauses: at least one unit.
   */
  readonly capacity?:
    | { readonly kind: 'provisioned'; readonly instanceType: string }
    | { readonly kind: 'serverless'; readonly minUnits: number; readonly maxUnits: number };
  /** Default 1, in another zone: takes over within half a minute, and reads. 0 leaves ten minutes without the region's writes. */
  readonly readers?: number;
  /** `io-optimized`: no charge per I/O, a third more for the rest: pays when I/O is a quarter of the bill. Default `standard`. */
  readonly storage?: 'standard' | 'io-optimized';
};

export type InstanceDatabase = CreatedDatabase & {
  readonly kind: 'instance';
  /** Default 17.9. */
  readonly version?: string;
  /** Default m7g.large: two vCPUs and 8 GiB; 250 USD/month with its standby. */
  readonly instanceType?: string;
  /** Default 100, gp3 (12 USD/month, twice with the standby); grows by itself up to `maxStorageGb`, default ten times that. */
  readonly storageGb?: number;
  readonly maxStorageGb?: number;
  /** Default true: a standby in another zone, with the slot, takes over within two minutes. */
  readonly multiAz?: boolean;
  /** Default false. The standby of another zone does not read; this one does, and costs as much. */
  readonly readReplica?: boolean;
};

export type DatabaseOptions = ExistingDatabase | AuroraDatabase | InstanceDatabase;
