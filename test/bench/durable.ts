import type { Settings } from '../../local/postgres/settings.ts';

/** Of a measured server: every commit reaches the disk, and no checkpoint hits one run and not the next. */
export const DURABLE: Settings = { fsync: 'on', max_wal_size: '16GB', checkpoint_timeout: '30min' };
