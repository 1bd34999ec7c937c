import { inflateRawSync } from 'node:zlib';

export type ZipEntry = { readonly name: string; readonly content: () => Buffer };

const END = 0x06054b50;
const END_BYTES = 22;
const ENTRY = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;

/**
 * The entries of a ZIP archive, folders included. Names that end in `/` are folders.
 *
 * @throws Error when it is none, or one of the kinds that Maven does not make (ZIP64, encrypted, other compressions)
 */
export function zipEntries(archive: Buffer): ZipEntry[] {
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || end + END_BYTES > archive.length || archive.readUInt32LE(end) !== END)
    throw new Error('no ZIP archive');
  const count = archive.readUInt16LE(end + 10);
  const entries: ZipEntry[] = [];
  let at = archive.readUInt32LE(end + 16);
  for (let index = 0; index < count; index++) {
    if (at + ENTRY_BYTES > end || archive.readUInt32LE(at) !== ENTRY) throw new Error('a damaged ZIP archive');
    const start = at;
    const nameBytes = archive.readUInt16LE(at + 28);
    const name = archive.toString('utf8', at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes);
    entries.push({ name, content: () => contentOf(archive, start) });
    at += ENTRY_BYTES + nameBytes + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return entries;
}

function contentOf(archive: Buffer, entry: number): Buffer {
  const method = archive.readUInt16LE(entry + 10);
  const bytes = archive.readUInt32LE(entry + 20);
  const local = archive.readUInt32LE(entry + 42);
  const start = local + LOCAL_BYTES + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  const content = archive.subarray(start, start + bytes);
  if (method === STORED) return content;
  if (method !== DEFLATED) throw new Error(`a ZIP archive with compression ${method}`);
  return inflateRawSync(content);
}
