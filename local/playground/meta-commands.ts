/** What to do about a psql meta-command. */
export type MetaTreatment =
  | { readonly action: 'ignore' }
  | { readonly action: 'note'; readonly why: string }
  | { readonly action: 'include'; readonly path: string }
  | { readonly action: 'copy'; readonly sql: string; readonly path: string };

/** They only change what psql prints. */
const IGNORED = new Set(
  'a C echo qecho warn encoding f H html L n o out p print pset q quit r reset restrict s t T timing unrestrict unset x errverbose'.split(
    ' ',
  ),
);
const DESCRIBES = /^(?:d|l|z|sf|sv|dt|du|di|df|dn|dv|dx)[a-zA-Z]*[S+]*$/;

const NOTES: Readonly<Record<string, string>> = {
  c: 'everything goes into the one database of the region',
  connect: 'everything goes into the one database of the region',
  set: 'variables of psql are not replaced; a statement that uses one fails',
  gexec: 'the statement was run, its results were not run as statements',
  gset: 'the statement was run, its results are not kept',
  if: 'conditions are not evaluated: all branches are run',
  elif: 'conditions are not evaluated: all branches are run',
  else: 'conditions are not evaluated: all branches are run',
  endif: 'conditions are not evaluated: all branches are run',
  '.': 'there is no COPY data that it could end',
};

const unquoted = (argument: string): string => argument.replace(/^'((?:[^']|'')*)'$/, '$1').replaceAll("''", "'");

const COPY_FROM = /^(.*?)\s+from\s+('(?:[^']|'')*'|\S+)\s*([^;]*);?\s*$/is;

function copyFromFile(argument: string): MetaTreatment {
  const [, target, file = '', options = ''] = COPY_FROM.exec(argument) ?? [];
  if (target === undefined || /^(?:stdin|pstdin|program)$/i.test(file))
    return { action: 'note', why: 'only \\copy … from a file is understood' };
  return { action: 'copy', sql: `copy ${target} from stdin ${options}`, path: unquoted(file) };
}

/** Variables that steer psql itself. */
const STEERS_PSQL = /^(?:ON_ERROR|ECHO|QUIET|VERBOSITY|AUTOCOMMIT|PROMPT|HIST|SHOW|FETCH_COUNT|SINGLE)/;

/** `\i` and `\copy … from` are done; what only prints is ignored; what changes the script's meaning is noted. */
export function metaTreatment(name: string, argument: string): MetaTreatment {
  if (/^(?:i|ir|include|include_relative)$/.test(name)) return { action: 'include', path: unquoted(argument) };
  if (name === 'copy') return copyFromFile(argument);
  const isQuiet = IGNORED.has(name) || DESCRIBES.test(name) || name.startsWith('!');
  if (isQuiet || (name === 'set' && STEERS_PSQL.test(argument))) return { action: 'ignore' };
  return { action: 'note', why: NOTES[name] ?? 'this meta-command of psql is not understood' };
}
