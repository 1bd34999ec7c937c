import type { DatabaseSecret, SecretStage } from '@concord/runtime';

export type Step = 'createSecret' | 'setSecret' | 'testSecret' | 'finishSecret';

/** The versions of one secret in Secrets Manager. */
export type Versions = {
  /** Labels by version. */
  readonly labels: () => Promise<Readonly<Record<string, readonly string[]>>>;
  /** Undefined when no version has the label. */
  readonly read: (stage: SecretStage) => Promise<DatabaseSecret | undefined>;
  /** Stores a version under AWSPENDING. Doing it again with the same content changes nothing. */
  readonly putPending: (version: string, secret: DatabaseSecret) => Promise<void>;
  readonly moveCurrent: (from: string | undefined, to: string) => Promise<void>;
};

/** The database that the secret is for. */
export type Accounts = {
  /** Throws when the secret is for another server, database or role than this function may log in to. */
  readonly check: (secret: DatabaseSecret) => void;
  readonly canLogIn: (secret: DatabaseSecret) => Promise<boolean>;
  /** Logs in as the role and changes its own password. */
  readonly changePassword: (login: DatabaseSecret, password: string) => Promise<void>;
};

export type Rotation = {
  readonly versions: Versions;
  readonly accounts: Accounts;
  readonly newPassword: () => string;
};

/**
 * One step of rotating a role's own password to `version`. Each can be run again at any time, and after any later one: what is
 * done already is seen, not done twice. Throws when the version is not the one on its way in.
 */
export async function runStep(step: Step, version: string, rotation: Rotation): Promise<void> {
  const labels = await rotation.versions.labels();
  const own = labels[version] ?? [];
  if (own.includes('AWSCURRENT')) return;
  if (step !== 'createSecret' && !own.includes('AWSPENDING'))
    throw new Error(`version ${version} is not labelled AWSPENDING: run createSecret first, or rotate anew`);
  const current = Object.keys(labels).find((id) => labels[id]?.includes('AWSCURRENT'));
  await STEPS[step](rotation, { version, current, isPending: own.includes('AWSPENDING') });
}

type Place = { readonly version: string; readonly current: string | undefined; readonly isPending: boolean };
type Work = (rotation: Rotation, place: Place) => Promise<void>;

const STEPS: Readonly<Record<Step, Work>> = {
  createSecret: async ({ versions, accounts, newPassword }, { version, isPending }) => {
    const current = await existing(versions, 'AWSCURRENT');
    accounts.check(current);
    // The label comes before the content, and may still be at a version whose rotation was given up.
    if (isPending && (await versions.read('AWSPENDING')) !== undefined) return;
    await versions.putPending(version, { ...current, password: newPassword() });
  },

  setSecret: async ({ versions, accounts }) => {
    const pending = await existing(versions, 'AWSPENDING');
    accounts.check(pending);
    if (await accounts.canLogIn(pending)) return;
    for (const stage of ['AWSCURRENT', 'AWSPREVIOUS'] as const) {
      const login = await versions.read(stage);
      if (login === undefined) continue;
      accounts.check(login);
      if (!(await accounts.canLogIn(login))) continue;
      await accounts.changePassword(login, pending.password);
      return;
    }
    throw new Error(
      'the role is refused with every password that the secret has had: deploy again (enroll sets the current one), then rotate',
    );
  },

  testSecret: async ({ versions, accounts }) => {
    const pending = await existing(versions, 'AWSPENDING');
    accounts.check(pending);
    if (!(await accounts.canLogIn(pending)))
      throw new Error('the database refuses the new password: run setSecret again');
  },

  finishSecret: ({ versions }, { version, current }) => versions.moveCurrent(current, version),
};

async function existing(versions: Versions, stage: SecretStage): Promise<DatabaseSecret> {
  const secret = await versions.read(stage);
  if (secret === undefined) throw new Error(`the secret has no version ${stage}`);
  return secret;
}
