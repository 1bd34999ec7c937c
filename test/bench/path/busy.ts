import { cpus } from 'node:os';

/** CPU time of all cores, ms. */
function coreTimes(): { readonly idle: number; readonly all: number } {
  const times = cpus().map((core) => core.times);
  const all = times.flatMap((core) => Object.values(core)).reduce((sum, ms) => sum + ms, 0);
  return { idle: times.reduce((sum, { idle }) => sum + idle, 0), all };
}

/** How busy, in percent, the machine was and this process' only thread of replication, from now to the call of the result. */
export function watchBusy(): () => { readonly machine: number; readonly loop: number } {
  const [before, loopBefore] = [coreTimes(), performance.eventLoopUtilization()];
  return () => {
    const after = coreTimes();
    return {
      machine: 100 * (1 - (after.idle - before.idle) / (after.all - before.all)),
      loop: 100 * performance.eventLoopUtilization(loopBefore).utilization,
    };
  };
}
