import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';

const Environment = Type.Object({
  /** Connection URL of the region's database or its proxy. */
  CONCORD_DATABASE_URL: Type.String({ minLength: 1 }),
  /** The topology, as JSON (the content of concord.json). */
  CONCORD_TOPOLOGY: Type.String({ minLength: 2 }),
  CONCORD_REGION: Type.String({ minLength: 1 }),
  CONCORD_PREPARE: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
});

export type Config = {
  readonly databaseUrl: string;
  readonly region: string;
  readonly topologyJson: string;
  readonly prepare: boolean;
};

const checked = Compile(Environment);

/** Reads and checks the environment of a function. Throws with the name of the variable that is missing or wrong. */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const known = Object.fromEntries(
    Object.keys(Environment.properties)
      .map((name) => [name, environment[name]])
      .filter(([, value]) => value !== undefined),
  );
  if (!checked.Check(known)) {
    const [first] = checked.Errors(known);
    throw new Error(`configuration: ${first?.instancePath || ''} ${first?.message ?? 'does not fit'}`.trim());
  }
  const env: Static<typeof Environment> = known;
  return {
    databaseUrl: env.CONCORD_DATABASE_URL,
    region: env.CONCORD_REGION,
    topologyJson: env.CONCORD_TOPOLOGY,
    prepare: env.CONCORD_PREPARE === 'true',
  };
}
