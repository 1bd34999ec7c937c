import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

type Times = { readonly parent: number; readonly own: number; readonly ended: number };

/** Of a process: CPU ticks of its own, and of children that have ended. Undefined where there is none. */
function timesOf(pid: number | 'self'): Times | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [parent = 0, user = 0, system = 0, endedUser = 0, endedSystem = 0] = [1, 11, 12, 13, 14].map(
      (n) => fields[n],
    );
    return { parent, own: user + system, ended: endedUser + endedSystem };
  } catch {
    return undefined;
  }
}

/** Microseconds that one process has been on a CPU so far, exact to the nanosecond. Linux only. */
export const processUs = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000;

/** CPU seconds that this process, commands that it has run to their end, and a PostgreSQL server have used so far. Linux only. */
export function cpuSeconds(postmasterPid: number): number {
  let ticks = 0;
  for (const pid of ['self', postmasterPid] as const) {
    const times = timesOf(pid);
    if (times !== undefined) ticks += times.own + times.ended;
  }
  for (const name of readdirSync('/proc')) {
    const times = /^\d+$/.test(name) ? timesOf(Number(name)) : undefined;
    if (times?.parent === postmasterPid) ticks += times.own + times.ended;
  }
  return ticks / TICKS_PER_SECOND;
}
