type Settings = Readonly<Record<string, string>>;

/** `reported` is absent for a setting that is missing, `expected` for one that should not be there. Secrets show as `***`. */
export type SettingProblem = {
  readonly setting: string;
  readonly expected?: string;
  readonly reported?: string;
  readonly consequence: string;
};

/** Settings whose values are neither compared nor printed. Where a secret lies is none. */
export const isSecret = (setting: string): boolean =>
  /password|secret|jaas|credential|token|\.key$/i.test(setting) && !setting.startsWith('driver.concord.');

/** Settings that may differ: how fast, how often, how large; they neither change what is captured nor whether it arrives. */
const TUNING: readonly RegExp[] = [
  /^(name|tasks\.max\.enforce|connector\.client\.|config\.action\.reload)/,
  /^(poll\.|pollinterval|max\.batch\.size|max\.queue\.size|query\.fetch\.size|statistics\.|custom\.metric\.)/,
  /^(status\.update\.interval\.ms|slot\.max\.retries|slot\.retry\.delay\.ms)$/,
  /^(retriable\.restart\.connector\.wait\.ms|database\.tcpKeepAlive|database\.query\.timeout\.ms)$/,
  /^(connection\.validation\.timeout\.ms|executor\.shutdown\.timeout\.ms|errors\.log\.|errors\.retry\.)/,
  /^producer\.override\.(linger\.ms|batch\.size|buffer\.memory|client\.id|compression\.type|send\.buffer\.bytes)$/,
  /\.logical\.destination\.cache\.size$/,
];

/** How often is tuning, 0 is never. */
const isTuning = (setting: string, value?: string): boolean =>
  setting === 'heartbeat.interval.ms' ? Number(value) > 0 : TUNING.some((pattern) => pattern.test(setting));

/** What a wrong value does to the data. The first that matches holds; for the rest nobody has proved what they do. */
const CONSEQUENCES: readonly (readonly [setting: RegExp, consequence: string])[] = [
  [/^converters$|^text\./, 'values lose digits, time zones or array elements on the way, and NULL becomes the default'],
  [/^snapshot\./, 'rows that another region wrote are published as if they were written here'],
  [/^skipped\.operations$/, 'raw deletes travel: they also stand for rows that were applied, and apply parks each'],
  [
    /^publication\./,
    'without the row filter of `concord` applied rows echo; with another publication changes are missing',
  ],
  [/^slot\.name$/, 'another slot stands elsewhere: what lies between the two positions is lost or comes again'],
  [/^slot\.drop\.on\.stop$/, 'every change between a stop of the connector and its next start is lost'],
  [
    /^offset\.mismatch\.strategy$|^slot\.seek|^internal\.(log\.position|slot\.seek)/,
    'a slot that was dropped and made anew is not noticed: the changes between are lost',
  ],
  [
    /^(lsn\.flush\.mode|flush\.lsn\.source)$/,
    'the slot moves past changes that Kafka does not have yet, or never moves and fills the disk',
  ],
  [
    /^(table|schema|database)\.(include|exclude)\.list$|^table\.ignore/,
    'changes of enrolled tables that the list leaves out are lost',
  ],
  [
    /^column\.|^message\.key\.columns$/,
    'columns are missing, masked or cut in every other region, or rows change their key',
  ],
  [/replace\.null\.with\.default$/, 'a NULL arrives as the default of its column'],
  [/^include\.unknown\.datatypes$/, 'columns of types that Debezium does not know are missing in every other region'],
  [
    /^event\.(converting|processing)\.failure/,
    'a value that cannot be converted becomes NULL, or its change is skipped',
  ],
  [/^errors\.max\.retries$/, 'the connector gives up after a few lost connections, and no change leaves this region'],
  [/^errors\.(tolerance|deadletterqueue)/, 'a record that cannot be sent is skipped: the change is lost'],
  [
    /\.handling\.mode$|^time\.precision\.mode$|unavailable\.value\.placeholder$/,
    'values travel in a form that PostgreSQL does not read back',
  ],
  [/^(field|schema)\.name\.adjustment/, 'columns arrive under other names'],
  [
    /^(skip\.messages\.without\.change|signal\.|post\.processors|incremental\.)/,
    'changes are left out, altered or published again',
  ],
  [
    /^heartbeat/,
    'the slot of an idle database does not move and keeps its WAL; progress of the region is not known elsewhere',
  ],
  [/^(transforms|predicates)/, 'records get another topic, key or shape: order is lost, or apply parks them'],
  [/^topic\.prefix$/, "the stored offsets are another name's, and no table is routed to the topic"],
  [
    /^(topic\.|provide\.transaction|tombstones\.on\.delete|extended\.headers)/,
    'records arrive that apply does not expect, or under another topic',
  ],
  [/^(key|value)\.converter/, 'apply cannot read the records and parks every one'],
  [
    /^producer\.override\.(acks|enable\.idempotence|max\.in\.flight|retries|delivery\.timeout)/,
    'changes that Kafka acknowledged are lost with a broker, or two of one row change places',
  ],
  [/^producer\.override\.max\.request\.size$/, 'a large row stops the connector, and everything behind it'],
  [/^producer\.override\.(security|sasl|ssl)/, 'the connector writes as another principal, or unencrypted'],
  [
    /^(driver\.|custom\.retriable)/,
    'the password comes from elsewhere, or is not read again after a rotation: capture stops then',
  ],
  [/^database\.ssl/, 'the password and every change may cross the network unencrypted'],
  [/^database\./, 'another database is captured'],
  [
    /^(connector\.class|plugin\.name|tasks\.max|slot\.)/,
    'another connector or decoder runs: nothing here is known of what it sends',
  ],
];

const consequenceOf = (setting: string): string =>
  CONSEQUENCES.find(([pattern]) => pattern.test(setting))?.[1] ??
  'not a setting of ours: nobody has checked what it does';

const shown = (setting: string, value: string): string => (isSecret(setting) ? '***' : value);

/**
 * Compares what Connect reports (`GET /connectors/<name>/config`, or MSK Connect's DescribeConnector) with what the topology says.
 * Tuning may differ; secrets must be there and are not compared.
 */
export function checkSettings(expected: Settings, reported: Settings): SettingProblem[] {
  const problems: SettingProblem[] = [];
  for (const [setting, value] of Object.entries(expected)) {
    const is = reported[setting];
    const problem = { setting, expected: shown(setting, value), consequence: consequenceOf(setting) };
    if (is === undefined) {
      if (!isTuning(setting)) problems.push(problem);
    } else if (is !== value && !isTuning(setting, is) && !isSecret(setting))
      problems.push({ ...problem, reported: is });
  }
  for (const [setting, value] of Object.entries(reported))
    if (expected[setting] === undefined && !isTuning(setting))
      problems.push({ setting, reported: shown(setting, value), consequence: consequenceOf(setting) });
  return problems;
}
