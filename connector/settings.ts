import { OVERSIZED, type Topology, topicOf, UNAVAILABLE } from '@concord/events';
import { prefixed, type ScramLogin, scramSettings } from './login.ts';
import { CONNECTOR_CLASS, CONVERTER_CLASS, PASSWORD_CLASS, PUBLICATION, SIZE_LIMIT_CLASS, slotName } from './names.ts';
import { maxMessageBytes } from './topics.ts';

export type SourceDatabase = {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly user: string;
  /**
   * The password, an expression of a config provider of the worker, which is read when the connector's task starts, or a secret
   * that is read at each connection: only then a rotated password needs no restart.
   */
  readonly password: string | PasswordSecret;
  /** Absent: not encrypted. `require`: encrypted, whoever answers. A file: verified against it, host name included. */
  readonly tls?: { readonly rootCertFile: string } | 'require' | undefined;
};

/** A secret of AWS Secrets Manager, a JSON object, read by the worker. */
export type PasswordSecret = {
  /** Or its ARN. */
  readonly id: string;
  readonly region: string;
  /** Default `password`. */
  readonly key?: string | undefined;
  /** Of Secrets Manager, where it is not AWS's own. */
  readonly endpoint?: string | undefined;
};

/** How the connector's own producer logs in (SCRAM-SHA-512 over TLS), where that is not the worker's own principal. */
export type ProducerLogin = ScramLogin & {
  /** Brokers, where the worker reaches them by another listener. */
  readonly bootstrap?: string;
};

export type ConnectorOptions = {
  readonly topology: Pick<Topology, 'limits'>;
  readonly region: string;
  readonly database: SourceDatabase;
  readonly kafka?: ProducerLogin;
  readonly heartbeatMs?: number;
  readonly pollMs?: number;
};

type Settings = Readonly<Record<string, string>>;

const HEARTBEAT_MS = 5000;
const POLL_MS = 20;
const MIB = 1_048_576;
/** Below this the transform leaves values alone, and accepts no limit. */
const LARGE_VALUE_BYTES = 8192;

/** All settings of a region's Debezium connector (3.7): the only place that makes them. */
export function connectorSettings(options: ConnectorOptions): Settings {
  const { topology, region, database, kafka, heartbeatMs = HEARTBEAT_MS, pollMs = POLL_MS } = options;
  return {
    ...source(region, database),
    ...capture(),
    ...text(),
    ...heartbeats(region, heartbeatMs),
    ...routing(region),
    ...flatRecord(topology.limits.maxRecordBytes),
    ...delivery(maxMessageBytes(topology.limits), pollMs),
    ...(kafka === undefined ? {} : login(kafka)),
  };
}

function source(region: string, database: SourceDatabase): Settings {
  return {
    'connector.class': CONNECTOR_CLASS,
    // A slot has one reader.
    'tasks.max': '1',
    // Names the offsets; topics are renamed below.
    'topic.prefix': region,
    'database.hostname': database.host,
    'database.port': String(database.port),
    'database.dbname': database.name,
    'database.user': database.user,
    ...password(database.password),
    ...tls(database.tls),
    'plugin.name': 'pgoutput',
    'slot.name': slotName(region),
    // A slot dropped at an orderly stop would lose everything until the next start.
    'slot.drop.on.stop': 'false',
    // After a killed worker PostgreSQL holds the slot until wal_sender_timeout (60 s): wait for twice that, then fail.
    'slot.max.retries': '60',
    'slot.retry.delay.ms': '2000',
    // A database that restarts is waited for without end, and found soon.
    'errors.max.retries': '-1',
    'retriable.restart.connector.wait.ms': '2000',
    // The slot moves only to positions that Connect has stored, never to the driver's keep-alives. `offset.mismatch.strategy`
    // stays at its default: the other values skip the check that notices a slot that was dropped and made anew.
    'lsn.flush.mode': 'connector',
  };
}

/** The driver asks the class of our plugin for the password whenever it connects. */
function password(from: SourceDatabase['password']): Settings {
  if (typeof from === 'string') return { 'database.password': from };
  return {
    // A password that was changed between reading the secret and logging in: the next connection reads it anew.
    'custom.retriable.exception': '(?s).*password authentication failed.*',
    'driver.authenticationPluginClassName': PASSWORD_CLASS,
    'driver.concord.secret': from.id,
    'driver.concord.secret.region': from.region,
    ...(from.key === undefined ? {} : { 'driver.concord.secret.key': from.key }),
    ...(from.endpoint === undefined ? {} : { 'driver.concord.secret.endpoint': from.endpoint }),
  };
}

/** The driver's default, `prefer`, would fall back to an unencrypted connection without a word. */
function tls(mode: SourceDatabase['tls']): Settings {
  if (mode === undefined) return { 'database.sslmode': 'disable' };
  if (mode === 'require') return { 'database.sslmode': 'require' };
  return { 'database.sslmode': 'verify-full', 'database.sslrootcert': mode.rootCertFile };
}

/** Which changes: what the publication lets through, and no raw deletes. */
function capture(): Settings {
  return {
    'publication.name': PUBLICATION,
    // Debezium's own publication would have no row filter: every applied row would echo.
    'publication.autocreate.mode': 'disabled',
    // Rows from before are reconciliation's; a snapshot would publish applied rows as well.
    'snapshot.mode': 'no_data',
    // Deletes travel as rows of tombstone tables. Raw ones also stand for "was written here, is now applied". Truncates are refused.
    'skipped.operations': 'd,t',
    'tombstones.on.delete': 'false',
    'provide.transaction.metadata': 'false',
    'extended.headers.enabled': 'false',
  };
}

/** Every value as the text that PostgreSQL prints. The modes cover what the converter is not asked about, as text or refused. */
function text(): Settings {
  return {
    converters: 'text',
    'text.type': CONVERTER_CLASS,
    'text.unavailable.value.placeholder': UNAVAILABLE,
    'decimal.handling.mode': 'string',
    'time.precision.mode': 'isostring',
    'interval.handling.mode': 'string',
    'binary.handling.mode': 'hex',
    'hstore.handling.mode': 'json',
    // A type that Debezium does not know would be left out of the record.
    'include.unknown.datatypes': 'true',
    // By default a value that cannot be converted is logged and becomes NULL in every other region.
    'event.converting.failure.handling.mode': 'fail',
    'event.processing.failure.handling.mode': 'fail',
    // For what the converter is not asked about, and above for what it is: apply parks it.
    'unavailable.value.placeholder': UNAVAILABLE,
    // Columns keep their names, whatever characters they hold.
    'field.name.adjustment.mode': 'none',
    'schema.name.adjustment.mode': 'none',
  };
}

/** Our beat is a row of a published table, so it travels in order with the changes; Debezium's own record goes nowhere. */
function heartbeats(region: string, heartbeatMs: number): Settings {
  return {
    'heartbeat.interval.ms': String(heartbeatMs),
    'heartbeat.action.query': 'select concord.beat()',
    predicates: 'own',
    'predicates.own.type': 'org.apache.kafka.connect.transforms.predicates.TopicNameMatches',
    'predicates.own.pattern': `__debezium-heartbeat\\.${region}`,
    transforms: 'beats,route,unwrap,size',
    'transforms.beats.type': 'org.apache.kafka.connect.transforms.Filter',
    'transforms.beats.predicate': 'own',
  };
}

/**
 * All tables to one topic, the table in the key. Debezium makes every character but [A-Za-z0-9._-] an `_` before this sees the
 * name, so `_table` of "my table" is `my_table`: still the same for a row and its tombstone, which is all it is for; the names
 * themselves travel in `__s` and `__t`. Two tables whose names differ only there share a name in the key, never a row.
 */
function routing(region: string): Settings {
  return {
    // The former `ByLogicalTableRouter`, which is deprecated since 3.7.
    'transforms.route.type': 'io.debezium.transforms.ToLogicalTopicRouter',
    'transforms.route.topic.regex': `${region}\\.(.*)`,
    'transforms.route.topic.replacement': topicOf(region),
    'transforms.route.key.field.name': '_table',
    'transforms.route.key.field.regex': `${region}\\.(?:concord_)?(.*)`,
    'transforms.route.key.field.replacement': '$1',
    // Two entries per enrolled table, or schemas are made anew for every record. The default is 16.
    'transforms.route.logical.destination.cache.size': '1000',
  };
}

/** One flat object per record; `before` and the envelope would triple it. */
function flatRecord(maxRecordBytes: number): Settings {
  return {
    'transforms.unwrap.type': 'io.debezium.transforms.ExtractNewRecordState',
    'transforms.unwrap.add.fields': 'op,table:t,schema:s,lsn,txId,source.ts_us',
    'transforms.unwrap.delete.tombstone.handling.mode': 'drop',
    // Here and in the converters: or NULL arrives as the column's default.
    'transforms.unwrap.replace.null.with.default': 'false',
    'transforms.size.type': SIZE_LIMIT_CLASS,
    // Lambda takes 6 MB of base64: four characters for three bytes.
    'transforms.size.max.bytes': String(Math.max(LARGE_VALUE_BYTES, Math.floor((maxRecordBytes * 3) / 4))),
    'transforms.size.placeholder': OVERSIZED,
    ...jsonConverter('key.converter'),
    ...jsonConverter('value.converter'),
  };
}

const jsonConverter = (name: string): Settings => ({
  [name]: 'org.apache.kafka.connect.json.JsonConverter',
  [`${name}.schemas.enable`]: 'false',
  [`${name}.replace.null.with.default`]: 'false',
});

function delivery(maxBytes: number, pollMs: number): Settings {
  return {
    // A record that cannot be sent stops the connector: skipping it would lose a change without a word.
    'errors.tolerance': 'none',
    'poll.interval.ms': String(pollMs),
    'max.batch.size': '4096',
    'max.queue.size': '16384',
    // 16,384 rows of 4 MB would be 64 GB.
    'max.queue.size.in.bytes': String(64 * MIB),
    'status.update.interval.ms': '1000',
    'producer.override.acks': 'all',
    // Connect turns idempotence off and sends one request at a time; with it five in flight keep the order.
    'producer.override.enable.idempotence': 'true',
    'producer.override.max.in.flight.requests.per.connection': '5',
    // Readers without codecs (kafkajs) can read it; MSK Replicator compresses what crosses regions.
    'producer.override.compression.type': 'none',
    'producer.override.linger.ms': '5',
    'producer.override.batch.size': '131072',
    'producer.override.max.request.size': String(maxBytes),
  };
}

const login = ({ bootstrap, ...scram }: ProducerLogin): Settings => ({
  ...(bootstrap === undefined ? {} : { 'producer.override.bootstrap.servers': bootstrap }),
  ...prefixed('producer.override.', scramSettings(scram)),
});
