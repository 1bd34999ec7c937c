import { glob, readFile } from 'node:fs/promises';
import { violationsOf } from './rules.ts';

const ROOT = new URL('../../', import.meta.url);

let files = 0;
let wrong = 0;
for await (const path of glob('{events,layers,functions,connector,cdk,cli,local,test}/**/*.ts', {
  cwd: ROOT.pathname,
  exclude: (name) => name === 'node_modules',
})) {
  files++;
  const text = await readFile(new URL(path, ROOT), 'utf8');
  for (const { path: where, line, rule } of violationsOf({ path: path.replaceAll('\\', '/'), text })) {
    wrong++;
    process.stderr.write(`${where}:${line} ${rule}\n`);
  }
}
process.stdout.write(`architecture: ${files} files, ${wrong} violations\n`);
process.exitCode = wrong === 0 ? 0 : 1;
