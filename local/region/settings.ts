import type { Settings } from '../postgres/settings.ts';

/** Many small servers on one machine: short statements only, so compiling them never pays. */
export const SETTINGS: Settings = { jit: 'off', max_connections: 200, max_wal_size: '256MB' };
