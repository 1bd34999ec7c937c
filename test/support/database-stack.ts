import assert from 'node:assert/strict';
import type { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { ConcordStack } from '../../cdk/concord-stack.ts';
import { Database, type DatabaseOptions } from '../../cdk/database/database.ts';
import { Network } from '../../cdk/network/network.ts';
import { topologyOf } from './regions.ts';
import { type Resource, resourcesOf, strictApp } from './templates.ts';

/** Where the database of these stacks is; the topology's other region is us-east-1. */
export const region = 'eu-west-1';
const topology = topologyOf({ names: ['us-east-1', region], tables: ['public.users'] });

export type DatabaseStack = {
  readonly app: App;
  readonly database: Database;
  readonly template: Template;
  readonly network: Template;
};

/** A database beside its network, in stacks of their own; `alarms` with a topic for them. */
export function databaseStack(options: DatabaseOptions, alarms = false): DatabaseStack {
  const app = strictApp();
  const stack = (id: string): ConcordStack =>
    new ConcordStack(app, id, { account: undefined, region, description: 'test', terminationProtection: false });
  const network = new Network(stack('Network'), 'Network', { options: { kind: 'create' }, slot: 1 });
  const alarmTopic = alarms ? { alarmTopic: new Topic(stack('Operations'), 'Alarms', { enforceSSL: true }) } : {};
  const database = new Database(stack('Database'), 'Database', { options, topology, region, network, ...alarmTopic });
  const of = (id: string): Template => Template.fromStack(app.node.findChild(id) as ConcordStack);
  return { app, database, template: of('Database'), network: of('Network') };
}

/** The ARN of the key of the data, not of the backups. */
export function keyOf(template: Template): object {
  const [id] = Object.keys(resourcesOf(template, 'AWS::KMS::Key')).filter((name) => !name.includes('Backups'));
  return { 'Fn::GetAtt': [id, 'Arn'] };
}

export function secretOf(
  template: Template,
  name: 'Apply' | 'Capture' | 'Operator',
): Resource & { readonly id: string } {
  const secrets = Object.entries(resourcesOf(template, 'AWS::SecretsManager::Secret'));
  const [found] = secrets.filter(([id]) => id.includes(name));
  assert.ok(found);
  return { id: found[0], ...found[1] };
}
