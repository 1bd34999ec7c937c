import { factOf } from '../facts.ts';
import { until } from '../wait.ts';
import { count, EQUAL_WITHIN_MS, type Step, untilEqual, write } from './probe.ts';

const REFUSE = `alter table products add constraint no_poison check (name not like 'Poison%')`;
const ACCEPT = 'alter table products drop constraint if exists no_poison';

/** One region refuses a row that the other has accepted; then it does not any more, and the row is written again. */
export const poison: Step = {
  name: 'one region refuses a row',
  proves: ['poison'],
  run: async (probe) => {
    const [one, other] = probe.regions;
    await probe.cloud.sql(other.sql, REFUSE);
    try {
      await write(probe, one, { sql: `insert into products (name, price) values ('Poison', 1)`, changes: 1 });
      await write(probe, one, { sql: `insert into products (name, price) values ('Right behind', 1)`, changes: 1 });
      await until(probe, `${other.name} parks the row and applies the one behind it`, EQUAL_WITHIN_MS, async () => {
        const parked = await count(probe, other, `concord.parked where reason = 'refused'`);
        const behind = await count(probe, other, `products where name = 'Right behind'`);
        return parked === 1 && behind === 1 ? true : undefined;
      });
    } finally {
      await probe.cloud.sql(other.sql, ACCEPT);
    }
    await write(probe, one, { sql: `update products set price = 2 where name = 'Poison'`, changes: 1 });
    await untilEqual(probe);
    return [factOf('poison', [], 'parked as refused, the row behind it arrived, and so did its next version')];
  },
};
