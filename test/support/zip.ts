import { execFile } from 'node:child_process';
import { findPython } from '../../local/localstack/python.ts';

const ZIP = `import io, json, sys, zipfile
file = io.BytesIO()
with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
    for name, text in json.load(sys.stdin).items():
        archive.writestr(name, text)
sys.stdout.buffer.write(file.getvalue())`;

/** A zip archive of text files, by path, as a function or a layer is uploaded: made by the Python that LocalStack needs anyway. */
export async function zipOf(files: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const python = await findPython();
  if ('missing' in python) throw new Error(`needs ${python.missing}: ${python.hint}`);
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const options = { encoding: 'buffer', maxBuffer: 64 << 20 } as const;
  const child = execFile(python.program, ['-I', '-c', ZIP], options, (error, stdout) =>
    error === null ? resolve(stdout) : reject(error),
  );
  child.stdin?.end(JSON.stringify(files));
  return promise;
}
