export * from '../../connector/build/toolchain.ts';
