import { readdirSync, readFileSync } from 'node:fs';

/** MB resident. */
export type Memory = { readonly node: number; readonly broker: number; readonly connect: number };

const MAIN_CLASSES = { broker: 'kafka.Kafka', connect: 'org.apache.kafka.connect.cli.ConnectDistributed' } as const;
const SAMPLE_MS = 100;

/** The children of this process that run a Java class, by it. Linux only. */
function javaChildren(): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1];
      if (Number(parent) !== process.pid) continue;
      const args = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      for (const mainClass of Object.values(MAIN_CLASSES))
        if (args.includes(mainClass)) found.set(mainClass, Number(name));
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

function residentMb(pid: number | undefined): number {
  if (pid === undefined) return 0;
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes ?? 0) / 1024;
}

/** The most that this process, the broker and Connect hold from now to the call of the result; 0 for what does not run. */
export function watchMemory(): () => Memory {
  const java = javaChildren();
  let most: Memory = { node: 0, broker: 0, connect: 0 };
  const sample = (): void => {
    most = {
      node: Math.max(most.node, process.memoryUsage.rss() / 2 ** 20),
      broker: Math.max(most.broker, residentMb(java.get(MAIN_CLASSES.broker))),
      connect: Math.max(most.connect, residentMb(java.get(MAIN_CLASSES.connect))),
    };
  };
  const timer = setInterval(sample, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    sample();
    return most;
  };
}
