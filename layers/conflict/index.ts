export * from './decide.ts';
export * from './join.ts';
export * from './next-version.ts';
export * from './order.ts';
export * from './stamp.ts';
export * from './vector.ts';
export * from './version.ts';
