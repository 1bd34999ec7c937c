import { FACTS, type Fact } from '../facts.ts';
import { told, WaitedInVain } from '../wait.ts';
import { everyday } from './everyday.ts';
import { failedBatch } from './failed-batch.ts';
import { books, descriptions, watching } from './looking.ts';
import { paused } from './paused.ts';
import { poison } from './poison.ts';
import type { Probe, Step } from './probe.ts';
import { rotation } from './rotation.ts';

export const STEPS: readonly Step[] = [descriptions, everyday, paused, poison, rotation, failedBatch, books, watching];

export type Told = { readonly facts: readonly Fact[]; readonly stopped: string | null };

/**
 * Runs the steps in order. One that fails ends the story, since the next would meet what it left: what it waited for in vain is
 * refuted, what it could not do for another reason is unproved.
 */
export async function tellStory(probe: Probe, steps: readonly Step[] = STEPS): Promise<Told> {
  const facts: Fact[] = [];
  for (const { name, proves, run } of steps) {
    try {
      const found = await told(probe, name, () => run(probe));
      facts.push(...found);
      for (const { id, verdict, seen } of found) probe.say(`  ${verdict}: ${FACTS[id]} (${seen})`);
    } catch (error) {
      const seen = error instanceof Error ? error.message : String(error);
      const isFinding = error instanceof WaitedInVain && !probe.signal.aborted;
      facts.push({ id: proves[0], verdict: isFinding ? 'refuted' : 'unproved', seen });
      return { facts, stopped: `${name}: ${seen}` };
    }
  }
  return { facts, stopped: null };
}
