import { compiled } from '@concord/events';
import Type from 'typebox';
import type { Batch } from './batch.ts';
import { partitionName } from './payload.ts';

const Failures = Type.Object({
  batchItemFailures: Type.Optional(
    Type.Union([
      Type.Null(),
      Type.Array(
        Type.Object({
          itemIdentifier: Type.Object({ partition: Type.String(), offset: Type.Integer({ minimum: 0 }) }),
        }),
      ),
    ]),
  ),
});
const checked = compiled(Failures);

/** By partition the first offset that failed; or why the response makes Lambda retry the whole batch. */
export type Verdict =
  | { readonly kind: 'understood'; readonly failures: ReadonlyMap<number, number> }
  | { readonly kind: 'refused'; readonly error: Error };

const refused = (reason: string): Verdict => ({ kind: 'refused', error: new Error(`batch response: ${reason}`) });

/**
 * Reads what a function with ReportBatchItemFailures returned. Nothing, null and an empty list are success. An identifier
 * that is a string, or that names a partition or an offset that is not in the batch, fails the whole batch.
 */
export function readBatchResponse(response: unknown, topic: string, batch: Batch): Verdict {
  if (response === undefined || response === null) return { kind: 'understood', failures: new Map() };
  if (!checked.Check(response)) return refused(checked.Errors(response)[0]?.message ?? 'not a batch response');
  const partitions = new Map([...batch.keys()].map((partition) => [partitionName(topic, partition), partition]));
  const failures = new Map<number, number>();
  for (const { itemIdentifier } of response.batchItemFailures ?? []) {
    const { partition: name, offset } = itemIdentifier;
    const partition = partitions.get(name);
    if (partition === undefined) return refused(`partition '${name}' is not in the batch`);
    if (!batch.get(partition)?.some((record) => record.offset === offset))
      return refused(`offset ${offset} of '${name}' is not in the batch`);
    failures.set(partition, Math.min(offset, failures.get(partition) ?? offset));
  }
  return { kind: 'understood', failures };
}
