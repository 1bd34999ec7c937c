import { ident, isVerifierOf, literal, type Sql, scramVerifier } from '@concord/runtime';

/** A role and the password that its secret holds; `next` while the secret is being rotated. */
export type RolePassword = { readonly role: string; readonly password: string; readonly next: string | undefined };

/**
 * Makes a role able to log in with the password of its secret. A password that works already stays, also the next one of a
 * rotation that is under way. Returns whether the password was set.
 */
export async function ensureLogin(
  sql: Sql,
  { role, password, next }: RolePassword,
  canLogIn: (role: string, password: string) => Promise<boolean>,
): Promise<boolean> {
  const [known] = await sql<{ login: boolean }[]>`select rolcanlogin as login from pg_roles where rolname = ${role}`;
  if (known === undefined)
    throw new Error(`role '${role}' does not exist: Concord's are concord_apply, concord_capture and concord_operator`);
  if (!known.login) await sql.unsafe(`alter role ${ident(role)} login`);
  const stored = await readVerifier(sql, role);
  const works = (candidate: string): Promise<boolean> | boolean =>
    stored === undefined ? canLogIn(role, candidate) : stored !== null && isVerifierOf(stored, candidate);
  for (const candidate of next === undefined ? [password] : [password, next]) if (await works(candidate)) return false;
  await sql.unsafe(`alter role ${ident(role)} password ${literal(scramVerifier(password))}`);
  return true;
}

/** What the server stores, null where there is no password; undefined where this role may not see it (nobody may on RDS). */
async function readVerifier(sql: Sql, role: string): Promise<string | null | undefined> {
  const [may] = await sql<{ read: boolean }[]>`
    select has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'select') as read`;
  if (may?.read !== true) return undefined;
  const [row] = await sql<{ verifier: string | null }[]>`
    select rolpassword as verifier from pg_authid where rolname = ${role}`;
  return row?.verifier ?? null;
}
