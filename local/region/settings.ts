import type { Settings } from '../postgres/settings.ts';

/** Many small servers on one machine, short statements only. */
export const SETTINGS: Settings = {
  jit: 'off', // compiling never pays
  deadlock_timeout: '100ms', // clients and apply lock the same rows, and the default of a second is what one would see as lag
  max_connections: 200,
  max_wal_size: '256MB',
};
