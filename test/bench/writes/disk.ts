import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Spread, spreadOf } from '../spread.ts';

const BLOCK_BYTES = 8192;
const FILE_BLOCKS = 512;
const SYNCS = 300;

/**
 * How long one 8 kB block takes to reach the disk, µs, in a file that is written over as write-ahead log files are: what
 * each commit waits for, the denominator of all one-row ratios.
 */
export function syncUs(directory: string): Spread {
  const path = join(directory, 'sync-probe');
  const block = Buffer.alloc(BLOCK_BYTES, 1);
  const file = openSync(path, 'w');
  try {
    writeSync(file, Buffer.alloc(BLOCK_BYTES * FILE_BLOCKS));
    fdatasyncSync(file);
    const measured = Array.from({ length: SYNCS }, (_, index) => {
      const start = performance.now();
      writeSync(file, block, 0, BLOCK_BYTES, BLOCK_BYTES * (index % FILE_BLOCKS));
      fdatasyncSync(file);
      return 1000 * (performance.now() - start);
    });
    return spreadOf(measured);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
