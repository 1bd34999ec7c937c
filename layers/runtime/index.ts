export * from './catalogue.ts';
export * from './config.ts';
export * from './kafka.ts';
export * from './log.ts';
export * from './metrics.ts';
export * from './postgres.ts';
export * from './sql.ts';
