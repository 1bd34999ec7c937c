import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { ScriptError } from './script-report.ts';

/** A script as it was read. */
export type ScriptFile = { readonly path: string; readonly text: string };

const SIGNATURES: readonly (readonly [bytes: Buffer, what: string, hint: string])[] = [
  [Buffer.from('PGDMP'), "a dump in pg_dump's custom format", 'make a script of it: pg_restore -f app.sql app.dump'],
  [Buffer.from([0x1f, 0x8b]), 'gzip', 'unpack it first: gunzip app.sql.gz'],
  [Buffer.from('PK\x03\x04'), 'a zip archive', 'unpack it first'],
  [Buffer.from([0xff, 0xfe]), 'UTF-16', 'convert it: iconv -f UTF-16 -t UTF-8'],
  [Buffer.from('SQLite format 3\0'), 'an SQLite database', 'Concord replicates PostgreSQL; convert it first'],
];

/** Reads a file whole. Throws a ScriptError with a hint when there is none. */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(
      path,
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : String(error),
    );
  }
}

/** Reads a script. Throws a ScriptError with a hint when it is none, or not in UTF-8. */
export async function readScript(path: string): Promise<ScriptFile> {
  const bytes = await readBytes(path);
  for (const [signature, what, hint] of SIGNATURES)
    if (bytes.subarray(0, signature.length).equals(signature)) throw unreadable(path, `this is ${what}`, hint);
  if (!isUtf8(bytes))
    throw unreadable(path, 'this is not UTF-8', 'convert it: iconv -f LATIN1 -t UTF-8 (or whatever it is in)');
  return { path, text: bytes.toString('utf8') };
}

const unreadable = (path: string, message: string, hint?: string): ScriptError =>
  new ScriptError({ file: path, line: 1, statement: '', message, ...(hint === undefined ? {} : { hint }) });
