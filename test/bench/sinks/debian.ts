import { existsSync } from 'node:fs';
import { join } from 'node:path';

const SERVER = '/usr/lib/postgresql/15';

/** Debian's PostgreSQL 15 and what is installed beside it. */
export type Debian = {
  /** The folder of its programs; undefined where it is not installed. */
  readonly binDirectory: string | undefined;
  readonly hasPglogical: boolean;
  readonly hasBucardo: boolean;
};

/** Looks for Debian's packages; `say` tells how to get what is missing. */
export function findDebian(say: (line: string) => void): Debian {
  const isThere = (...paths: string[]): boolean =>
    existsSync(join(SERVER, 'bin/postgres')) && paths.every((path) => existsSync(path));
  const hasPglogical = isThere(join(SERVER, 'lib/pglogical.so'));
  const hasBucardo = isThere(join(SERVER, 'lib/plperl.so'), '/usr/bin/bucardo');
  if (!hasPglogical)
    say('pglogical is not installed: apt-get install postgresql-15 postgresql-15-pglogical (Debian 12)');
  if (!hasBucardo)
    say('Bucardo is not installed: apt-get install postgresql-15 postgresql-plperl-15 bucardo (Debian 12)');
  return { binDirectory: isThere() ? join(SERVER, 'bin') : undefined, hasPglogical, hasBucardo };
}
