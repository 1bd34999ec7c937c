import type { ReconcileAnswers } from '@concord/events';
import type { Context } from './context.ts';
import { countsOf, judgeKey, rulesOf, unread } from './drill.ts';
import { type Judged, type KeyPage, names, readStored, readTable } from './stored.ts';
import { greatest, NO_COUNTS, ofCounts, sumOf, verdictOf } from './verdict.ts';
import { KEYS_AT_ONCE, readKeys } from './versions.ts';

/** Reads the keys that differed again in all regions, and judges them again. What could not be read before stays so. */
export async function verifyStage(
  context: Context,
  { run, table }: { readonly run: string; readonly table: string },
): Promise<ReconcileAnswers['verify']> {
  const { store } = context;
  const { plan, planned } = await readTable(store, run, table);
  const before = await verdictOf(context, plan, planned);
  const rules = await rulesOf(context, plan, planned);
  const failed = new Set<string>();
  let counts = NO_COUNTS;
  for await (const page of keysThatDiffered(context, run, table, before.judged)) {
    const read = await readKeys(context, planned.regions, planned.reading, page);
    for (const reason of unread(table, read.failed)) failed.add(reason);
    for (const { key, readings } of read.keys.values()) {
      const judgement = judgeKey(key, readings, rules, failed);
      if (judgement !== undefined) counts = countsOf([judgement.difference], counts);
    }
  }
  const stays = before.verdict === 'schema' || before.verdict === 'incomplete' ? before.verdict : 'match';
  const verdict = greatest([stays, failed.size > 0 ? 'incomplete' : 'match', ...ofCounts(counts)]);
  const differences = sumOf(counts);
  await store.write(names.verified(run, table), { verdict, differences, failed: [...failed] });
  return { verdict, differences };
}

async function* keysThatDiffered(
  { store }: Context,
  run: string,
  table: string,
  judged: Judged | undefined,
): AsyncGenerator<KeyPage> {
  for (let page = 0; page < (judged?.keyPages ?? 0); page++) {
    const keys = (await readStored<KeyPage>(store, names.keys(run, table, page))) ?? [];
    for (let start = 0; start < keys.length; start += KEYS_AT_ONCE) yield keys.slice(start, start + KEYS_AT_ONCE);
  }
}
