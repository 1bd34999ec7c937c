import { App } from 'aws-cdk-lib';
import type { Template } from 'aws-cdk-lib/assertions';
import { checkWithNag } from '../../cdk/nag.ts';

/** An app whose templates have to fit CloudFormation's own schema: what does not is an error, not a warning. */
export const strictApp = (): App =>
  new App({
    context: {
      '@aws-cdk/core:validateAgainstDefaultRules': true,
      '@aws-cdk/core:defaultCrossStackReferences': 'strong',
    },
  });

/**
 * Synthesises with cdk-nag. Throws at what nobody has acknowledged, and at what an account would have to be asked for; returns what
 * the constructs themselves warn of.
 */
export function checked(app: App): string[] {
  checkWithNag(app);
  const assembly = app.synth({ force: true });
  if (assembly.manifest.missing?.length) throw new Error(`looked up: ${JSON.stringify(assembly.manifest.missing)}`);
  return assembly.stacksRecursively.flatMap(({ messages }) => messages.map(({ entry }) => String(entry.data)));
}

/** A resource as CloudFormation gets it. */
export type Resource = {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: properties are as deep and as different as CloudFormation's types
  readonly Properties: any;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
  readonly DependsOn?: readonly string[];
};

export type Statement = {
  readonly Sid?: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource?: unknown;
  readonly Principal?: unknown;
  readonly Condition?: unknown;
};

/** By logical id. */
export const resourcesOf = (template: Template, type: string): Record<string, Resource> =>
  template.findResources(type) as Record<string, Resource>;

/** The only one of its type. Throws where there is none, or another. */
export function resourceOf(template: Template, type: string): Resource & { readonly id: string } {
  const [found, ...others] = Object.entries(resourcesOf(template, type));
  if (found === undefined || others.length > 0) throw new Error(`${others.length + (found ? 1 : 0)} × ${type}`);
  return { id: found[0], ...found[1] };
}

/** What roles may do: the statements of all policies, inline or not, whose role's or policy's logical id matches. */
export function statementsOf(template: Template, id = /./): Statement[] {
  const of = (type: string): Resource[] =>
    Object.entries(resourcesOf(template, type)).flatMap(([name, resource]) => (id.test(name) ? [resource] : []));
  return [
    ...of('AWS::IAM::Policy').map(({ Properties }) => Properties.PolicyDocument),
    ...of('AWS::IAM::Role').flatMap(({ Properties }) =>
      (Properties.Policies ?? []).map((policy: { PolicyDocument: unknown }) => policy.PolicyDocument),
    ),
  ].flatMap(({ Statement }) => Statement);
}

export const actionsOf = ({ Action }: Statement): readonly string[] => (typeof Action === 'string' ? [Action] : Action);
