import { ident } from '@concord/runtime';

/**
 * A select item: what PostgreSQL prints for a column, as an event carries it. A cast to text would cut the blanks of char(n)
 * off and add a netmask to inet.
 */
export const printed = (name: string): string =>
  `case when ${ident(name)} is distinct from null then format('%s', ${ident(name)}) end as ${ident(name)}`;
