import { registerHooks } from 'node:module';
import { MUTANTS } from './list.ts';
import { mutated } from './mutant.ts';

/*
 * `node --import ./test/mutants/hook.ts … ` with CONCORD_MUTANT=<name>: patches the mutant's file as it is loaded. Children
 * of the test runner inherit both.
 */
const name = process.env.CONCORD_MUTANT;
const mutant = MUTANTS.find((candidate) => candidate.name === name);
if (mutant === undefined) throw new Error(`no mutant '${name}'`);

const target = new URL(`../../${mutant.file}`, import.meta.url).href;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (url !== target) return loaded;
    const source = mutated(String(loaded.source), mutant);
    if (source === undefined) throw new Error(`mutant ${mutant.name} is stale: see ${mutant.file}`);
    return { ...loaded, source };
  },
});
