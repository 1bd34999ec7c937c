/** One file of the project: its path from the root and its text. */
export type SourceFile = { readonly path: string; readonly text: string };

export type Violation = { readonly path: string; readonly line: number; readonly rule: string };

type Place = { readonly name: string; readonly folder: string; readonly mayImport: readonly string[] };

/**
 * Where code may point to; arrows go one way. The functions are places of their own, so that none imports another. `test` may
 * import everything and is not listed.
 */
const PLACES: readonly Place[] = [
  { name: 'events', folder: 'events/', mayImport: [] },
  { name: '@concord/conflict', folder: 'layers/conflict/', mayImport: ['events'] },
  { name: '@concord/runtime', folder: 'layers/runtime/', mayImport: ['events'] },
  { name: '@concord/idempotency', folder: 'layers/idempotency/', mayImport: ['events', '@concord/runtime'] },
  {
    name: 'functions/*',
    folder: 'functions/',
    mayImport: ['events', '@concord/conflict', '@concord/runtime', '@concord/idempotency'],
  },
  { name: 'connector', folder: 'connector/', mayImport: ['events'] },
  { name: 'cdk', folder: 'cdk/', mayImport: ['connector', 'events'] },
  {
    name: 'cli',
    folder: 'cli/',
    mayImport: [
      'functions/*',
      'connector',
      'local',
      'events',
      '@concord/conflict',
      '@concord/runtime',
      '@concord/idempotency',
    ],
  },
  {
    name: 'local',
    folder: 'local/',
    mayImport: ['functions/*', 'connector', 'events', '@concord/conflict', '@concord/runtime', '@concord/idempotency'],
  },
];

const IMPORT =
  /^\s*(?:import|export)\b[^'"]*?\bfrom\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/;

const lineNumber = (text: string, index: number): number => text.slice(0, index).split('\n').length;

/** `layers/conflict/order.ts` from `layers/conflict/decide.ts` and `./order.ts`; undefined for a package. */
export function resolveImport(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('@concord/events')) return 'events/index.ts';
  if (specifier.startsWith('@concord/')) return `layers/${specifier.slice('@concord/'.length)}/index.ts`;
  if (!specifier.startsWith('.')) return undefined;
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

const placeOf = (path: string): Place | undefined => PLACES.find(({ folder }) => path.startsWith(folder));

/** `functions/apply` of `functions/apply/plan.ts`: the room that a function does not leave. */
const functionOf = (path: string): string => path.split('/').slice(0, 2).join('/');

function* importsOf({ text }: SourceFile): Generator<{ specifier: string; line: number }> {
  const statements = text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;]*?;|import\([^)]*\)/g);
  for (const { 0: statement, index } of statements) {
    const match = IMPORT.exec(statement.replaceAll('\n', ' ').trim());
    const specifier = match?.[1] ?? match?.[2] ?? match?.[3];
    if (specifier !== undefined) yield { specifier, line: lineNumber(text, index + 1) };
  }
}

/** Imports that point the wrong way. */
export function* wrongImports(file: SourceFile): Generator<Violation> {
  const place = placeOf(file.path);
  if (place === undefined) return;
  for (const { specifier, line } of importsOf(file)) {
    const target = resolveImport(file.path, specifier);
    const there = target === undefined ? undefined : placeOf(target);
    if (target === undefined) continue;
    if (target.startsWith('test/'))
      yield { path: file.path, line, rule: `${place.name} imports ${specifier}: nothing imports test` };
    if (there === undefined) continue;
    const same = there === place && (place.name !== 'functions/*' || functionOf(target) === functionOf(file.path));
    if (!same && !place.mayImport.includes(there.name))
      yield {
        path: file.path,
        line,
        rule: `${place.name} must not import ${there.name === place.name ? functionOf(target) : there.name}`,
      };
  }
}

type Ban = { readonly pattern: RegExp; readonly rule: string; readonly applies: (path: string) => boolean };

const isPure = (path: string): boolean => path.startsWith('events/') || path.startsWith('layers/conflict/');
const isProduct = (path: string): boolean => placeOf(path) !== undefined;

const BANS: readonly Ban[] = [
  { pattern: /\basync\b|\bawait\b|\bPromise\b/, rule: 'pure code is synchronous', applies: isPure },
  {
    pattern: /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\./,
    rule: 'pure code takes time and chance as arguments',
    applies: isPure,
  },
  {
    pattern: /\bconsole\./,
    rule: 'only layers/runtime/log.ts writes logs; screens write to process.stdout',
    applies: isProduct,
  },
  {
    pattern: /\bprocess\.env\b/,
    rule: 'only layers/runtime/config.ts reads the environment',
    applies: (path) => isProduct(path) && path !== 'layers/runtime/config.ts',
  },
];

/** Code that does what its place may not. Comments do not count. */
export function* bannedCode(file: SourceFile): Generator<Violation> {
  let inComment = false;
  for (const [index, raw] of file.text.split('\n').entries()) {
    const line = raw.trimStart();
    if (line.startsWith('/*')) inComment = true;
    const comment = inComment || line.startsWith('//') || line.startsWith('*');
    if (line.includes('*/')) inComment = false;
    if (comment) continue;
    for (const { pattern, rule, applies } of BANS)
      if (applies(file.path) && pattern.test(raw)) yield { path: file.path, line: index + 1, rule };
  }
}

const FOLDERS = /(^|\/)(utils?|helpers?|common|types|misc|lib)\//;
const MAX_LINES = 400;

/** Folder names that say nothing, and files that nobody would find their way in. */
export function* wrongShape({ path, text }: SourceFile): Generator<Violation> {
  if (FOLDERS.test(path)) yield { path, line: 1, rule: 'folders name the stage of the path' };
  const lines = text.split('\n').length;
  if (lines > MAX_LINES) yield { path, line: MAX_LINES, rule: `${lines} lines: split it` };
}

export const violationsOf = (file: SourceFile): Violation[] => [
  ...wrongImports(file),
  ...bannedCode(file),
  ...wrongShape(file),
];
