import { checkSettings } from '../../connector/check-settings.ts';
import type { Connector, Declared } from './cloud.ts';

type Properties = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Properties =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `{ Ref: … }`, `{ 'Fn::Join': … }`: only CloudFormation knows what became of it. */
const isReference = (value: unknown): boolean =>
  isObject(value) && Object.keys(value).some((name) => name === 'Ref' || name.startsWith('Fn::'));

/** Where what AWS describes is not what the template declares. What it has of its own and the template does not name is no matter. */
export function differencesFrom(declared: unknown, described: unknown, path = ''): readonly string[] {
  if (isReference(declared)) return described === undefined ? [`${path} is missing`] : [];
  if (Array.isArray(declared)) {
    if (!Array.isArray(described) || described.length !== declared.length)
      return [`${path} is ${JSON.stringify(described)}, not ${JSON.stringify(declared)}`];
    return declared.flatMap((value, index) => differencesFrom(value, described[index], `${path}[${index}]`));
  }
  if (isObject(declared)) {
    const there = isObject(described) ? described : {};
    return Object.entries(declared).flatMap(([name, value]) =>
      differencesFrom(value, there[name], path === '' ? name : `${path}.${name}`),
    );
  }
  return declared === described ? [] : [`${path} is ${JSON.stringify(described)}, not ${JSON.stringify(declared)}`];
}

/** The API leaves out the function's name and the tags of a mapping, or spells them otherwise. */
const NOT_DESCRIBED = ['FunctionName', 'Enabled', 'Tags'];

export const mappingDifferences = ({ properties }: Declared, described: Properties): readonly string[] =>
  differencesFrom(
    Object.fromEntries(Object.entries(properties).filter(([name]) => !NOT_DESCRIBED.includes(name))),
    described,
  );

/** A connector that does not run, and settings that are not ours, each with what it does to the data. */
export function connectorDifferences({ properties }: Declared, { state, settings }: Connector): readonly string[] {
  const declared = isObject(properties.ConnectorConfiguration) ? properties.ConnectorConfiguration : {};
  const expected = Object.fromEntries(
    Object.entries(declared).map(([name, value]) => [name, typeof value === 'string' ? value : (settings[name] ?? '')]),
  );
  const problems = checkSettings(expected, settings);
  return [
    ...(state === 'RUNNING' ? [] : [`the connector is ${state}`]),
    ...problems.map(({ setting, reported, consequence }) => `${setting} is ${reported ?? 'missing'}: ${consequence}`),
  ];
}
