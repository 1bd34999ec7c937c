/** Reads the fields of one PostgreSQL protocol message in order: big-endian integers, zero-terminated UTF-8 names. */
export type Reader = ReturnType<typeof reader>;

/** Every read past the end of `bytes` throws a RangeError. */
export function reader(bytes: Buffer) {
  let at = 0;
  const advance = (length: number): number => {
    const start = at;
    at += length;
    if (at > bytes.length) throw new RangeError(`a message of ${bytes.length} bytes ends before byte ${at}`);
    return start;
  };
  return {
    int8: (): number => bytes.readUInt8(advance(1)),
    int16: (): number => bytes.readUInt16BE(advance(2)),
    int32: (): number => bytes.readUInt32BE(advance(4)),
    int64: (): bigint => bytes.readBigUInt64BE(advance(8)),
    char: (): string => String.fromCharCode(bytes.readUInt8(advance(1))),
    text: (length: number): string => bytes.toString('utf8', advance(length), at),
    take: (length: number): Buffer => bytes.subarray(advance(length), at),
    skip: (length: number): void => void advance(length),
    name: (): string => {
      const end = bytes.indexOf(0, at);
      if (end < 0) throw new RangeError('a name in the message has no end');
      const start = at;
      at = end + 1;
      return bytes.toString('utf8', start, end);
    },
    position: (): number => at,
    since: (position: number): Buffer => bytes.subarray(position, at),
  };
}
