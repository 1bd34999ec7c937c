import { cpSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { peakMemoryMb } from '../../../local/mapping/memory-limit.ts';
import { runDirectory } from '../../../local/process/run-directory.ts';

const QUESTION = { measure: 'what is kept' };

/** Answers the question by itself, after collections: one may leave what a finalizer, or the next turn of the event loop, lets go. */
const HANDLER = `
const { setImmediate } = require('node:timers/promises');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');
const { handler } = require('./function.js');

async function kept() {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  for (let round = 0; round < 3; round++) {
    collect();
    await setImmediate();
  }
  const { heapUsed, external } = process.memoryUsage();
  return { heapUsed, external };
}

exports.handler = (event, context) => event.measure === ${JSON.stringify(QUESTION.measure)} ? kept() : handler(event, context);
`;

/** A copy of the folder of a function as it is deployed, which also tells what it keeps. */
export function measuredFolder(folder: string): string {
  const copy = mkdtempSync(join(runDirectory(), 'bench-'));
  cpSync(folder, copy, { recursive: true });
  renameSync(join(copy, 'index.js'), join(copy, 'function.js'));
  writeFileSync(join(copy, 'index.js'), HANDLER);
  return copy;
}

/** What is reachable: V8's heap and the buffers outside of it, after a full collection. */
export async function keptMb(invoke: (event: unknown) => Promise<unknown>): Promise<number> {
  const { heapUsed, external } = (await invoke(QUESTION)) as { heapUsed: number; external: number };
  return (heapUsed + external) / 1024 / 1024;
}

/** Of a process: the most that it has ever held, and what it holds, MB. Node's own program is some 50 MB of both. */
export type Held = { readonly peakMb: number; readonly residentMb: number };

export function heldBy(pid: number): Held {
  const peakMb = peakMemoryMb(pid);
  if (peakMb === undefined) throw new Error('what a process holds can be told on Linux only');
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { peakMb, residentMb: Number(kilobytes) / 1024 };
}
