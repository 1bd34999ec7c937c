/** PostgreSQL settings by name, as `postgresql.conf` has them. */
export type Settings = Readonly<Record<string, string | number>>;

/** Enough for eight regions that replicate among each other. Fast by default: a test's data need not survive power loss. */
const DEFAULTS: Settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  fsync: 'off',
  // Off would hide a commit from a logical slot for up to 200 ms.
  synchronous_commit: 'on',
  max_connections: 100,
  max_wal_senders: 16,
  max_replication_slots: 16,
  max_prepared_transactions: 5,
  shared_buffers: '64MB',
  // Files in the data directory: those in /dev/shm would outlive a killed server, and containers give it only 64 MB.
  ...(process.platform === 'win32' ? {} : { dynamic_shared_memory_type: 'mmap' }),
};

/** The defaults under `overrides`, as arguments of `postgres`. `full_page_writes` follows `fsync` unless given. */
export function settingArguments(overrides: Settings): string[] {
  const settings = { ...DEFAULTS, ...overrides };
  const all: Settings = { full_page_writes: settings.fsync ?? 'off', ...settings };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}
