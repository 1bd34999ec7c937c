/* Functions for LocalStack's tests, in the form in which they are deployed: CommonJS, one file. */
'use strict';
const fs = require('node:fs');

let invocations = 0;
let ticks = 0;
setInterval(() => ticks++, 10).unref();

exports.echo = async (event) => event;
exports.nothing = async () => undefined;
exports.count = async () => ({ pid: process.pid, invocations: ++invocations, ticks });

/** Lives through at least so many ticks of its clock. */
exports.tick = async ({ atLeast }) => {
  const before = ticks;
  while (ticks < before + atLeast) await new Promise((resolve) => setTimeout(resolve, 10));
  return { pid: process.pid, ticks };
};

exports.surroundings = async (_event, context) => ({
  env: process.env,
  cwd: process.cwd(),
  uid: process.getuid(),
  flags: process.execArgv,
  node: process.version,
  context,
  remainingMs: context.getRemainingTimeInMillis(),
});

exports.fail = async ({ message }) => {
  console.log('about to fail');
  throw new RangeError(message);
};
exports.hang = async ({ hang }) => {
  console.log(`pid ${process.pid}`);
  while (hang);
  return process.pid;
};
exports.exit = async ({ code }) => (code === undefined ? process.pid : process.exit(code));
exports.fill = async ({ fill }) => {
  const kept = [];
  while (fill) kept.push(Array.from({ length: 10_000 }, (_, index) => ({ index })));
  return process.pid;
};

/** What becomes of writing over its own code, beside it, and into the temporary folder. */
exports.write = async () => {
  const attempt = (path) => {
    try {
      fs.writeFileSync(path, 'x');
      return 'written';
    } catch ({ code }) {
      return code;
    }
  };
  return {
    code: attempt(__filename),
    beside: attempt(`${__dirname}/new`),
    temporary: attempt(`${require('node:os').tmpdir()}/new`),
  };
};

/** Which packages can be loaded, and from where. */
exports.resolve = async ({ packages }) =>
  Object.fromEntries(
    packages.map((name) => {
      try {
        return [name, require.resolve(name)];
      } catch ({ code }) {
        return [name, code];
      }
    }),
  );
