export * from './delivered.ts';
export * from './heartbeat.ts';
export * from './ledger.ts';
export * from './store.ts';
export * from './watermark.ts';
