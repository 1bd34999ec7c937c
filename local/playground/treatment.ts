/** `schema`: nothing is enrolled yet. `data`: the tables are enrolled and what is written travels. */
export type Phase = 'schema' | 'data';

/** What to do with a statement of a script that was written for psql and one database. */
export type Treatment =
  | { readonly action: 'run' }
  /** Run, then make sure that Concord's triggers still fire. */
  | { readonly action: 'run_and_rearm' }
  | { readonly action: 'skip'; readonly why: string }
  | { readonly action: 'delete'; readonly tables: readonly string[] }
  | { readonly action: 'refuse'; readonly why: string; readonly hint: string };

type Rule = { readonly phase?: Phase; readonly pattern: RegExp; readonly treat: (match: RegExpExecArray) => Treatment };

const skip = (why: string) => (): Treatment => ({ action: 'skip', why });

const OTHER_ENCODING = /^set (?:session |local )?client_encoding\s*(?:=|to)\s*'?(?!utf-?8\b|unicode\b|default\b)[\w-]+/;

const RULES: readonly Rule[] = [
  {
    pattern: /^(?:create|drop|alter) database\b|^comment on database\b|^(?:grant|revoke) .*\bon database\b/,
    treat: skip('each region has one database, which is there already'),
  },
  { pattern: /^(?:create|drop|alter) tablespace\b/, treat: skip('there are no tablespaces here') },
  { pattern: /^alter system\b/, treat: skip('the server keeps the settings that Concord needs') },
  { pattern: OTHER_ENCODING, treat: skip('scripts are sent as UTF-8') },
  {
    phase: 'data',
    pattern: /^truncate (?:table )?(.*?)(?: restart identity| continue identity)?(?: cascade| restrict)?$/,
    treat: ([, tables = '']) => ({ action: 'delete', tables: tables.split(',').map((name) => name.trim()) }),
  },
  {
    phase: 'data',
    pattern: /^alter table .*\b(?:enable|disable) .*\btrigger\b/,
    treat: () => ({ action: 'run_and_rearm' }),
  },
  {
    phase: 'data',
    pattern: /^create (?:local |global )?temp(?:orary)? |^alter sequence .*\brestart\b/,
    treat: () => ({ action: 'run' }),
  },
  {
    phase: 'data',
    pattern: /^(?:create|alter|drop) (?:or replace )?(\w+)/,
    treat: () => ({
      action: 'refuse',
      why: 'a data script cannot change the schema of one region alone',
      hint: 'move the statement to the --schema script; a dump of schema and data together goes into --schema as a whole',
    }),
  },
];

const COMMENTS = /--[^\n]*|\/\*[\s\S]*?\*\//g;
/** Longer statements are inserts; what decides is at the beginning. */
const LOOK_AT = 2000;

/** The beginning of a statement in one line, without comments: to be looked at, never to be run. */
export const gist = (sql: string): string => sql.slice(0, LOOK_AT).replace(COMMENTS, ' ').replace(/\s+/g, ' ').trim();

/** What a statement begins with decides; quoted names keep their case because only patterns see lower case. */
export function treatmentOf(sql: string, phase: Phase): Treatment {
  const text = gist(sql);
  for (const rule of RULES) {
    if (rule.phase !== undefined && rule.phase !== phase) continue;
    const match = new RegExp(rule.pattern, 'i').exec(text);
    if (match !== null) return rule.treat(match);
  }
  return { action: 'run' };
}
