export * from './ledger.ts';
export * from './store.ts';
export * from './watermark.ts';
