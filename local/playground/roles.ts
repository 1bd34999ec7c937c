import { ident, type Sql } from '@concord/runtime';

/** `role "bob" does not exist`, as PostgreSQL says it in every version. */
const NO_ROLE = /^role "(.+)" does not exist$/;

/** The role that a statement failed for, if that is why it failed. */
export function missingRole(error: { readonly code?: string; readonly message: string }): string | undefined {
  return error.code === '42704' ? NO_ROLE.exec(error.message)?.[1] : undefined;
}

/** Can a statement fail because a role is missing? Then it runs under a savepoint, so that it can be tried again. */
export const mentionsRoles = (gist: string): boolean =>
  /\b(?:owner to|grant|revoke|authorization|set role|to role|alter default privileges|create policy|alter policy)\b/i.test(
    gist,
  );

/** The owner of a dump's tables: nobody has to log in as them here. */
export const createRole = (sql: Sql, role: string): Promise<unknown> => sql.unsafe(`create role ${ident(role)}`);
