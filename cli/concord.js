#!/usr/bin/env node
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `concord needs Node 22.18 or later to run TypeScript, this is ${process.versions.node}.\n` +
      'hint: `npx concord …` and `npm run …` in this folder bring Node 24 along (the npm package `node`).\n',
  );
  process.exit(2);
}
await import('./main.ts');
