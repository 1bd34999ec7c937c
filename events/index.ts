export * from './change.ts';
export * from './failed-batch.ts';
export * from './heartbeat.ts';
export * from './lambda-kafka.ts';
export * from './partition.ts';
export * from './region.ts';
export * from './topic.ts';
export * from './topology.ts';
