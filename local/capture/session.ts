import type { Duplex } from 'node:stream';
import { connect, type DatabaseAddress, primaryKeyOf } from './database.ts';
import { type Session, type SessionObserver, streamInto } from './stream.ts';
import type { CapturedRecord } from './transactions.ts';

export type SessionOptions = {
  readonly address: DatabaseAddress;
  readonly region: string;
  readonly slot: string;
  readonly publication: string;
  readonly append: (records: readonly CapturedRecord[]) => void | Promise<void>;
};

const GOODBYE_LIMIT_S = 2;

const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const quoteText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** 0/0 is wherever the slot was confirmed: a position kept here could jump over changes after a restore. */
const startCommand = (slot: string, publication: string): string =>
  `START_REPLICATION SLOT ${quoteName(slot)} LOGICAL 0/0 ` +
  `(proto_version '1', publication_names ${quoteText(quoteName(publication))})`;

/** Opens one replication connection at the slot's confirmed position. Rejects when connection or slot cannot be had. */
export async function openSession(options: SessionOptions, observer: SessionObserver): Promise<Session> {
  const { address, region, append } = options;
  const replication = connect(address, { replication: 'database', application_name: `concord capture ${region}` });
  const catalogue = connect(address, { application_name: `concord capture ${region}, catalogue` });
  // postgres.js would wait for the answer of a command whose connection is broken.
  const disconnect = async (isClean: boolean): Promise<void> => {
    await Promise.all([replication, catalogue].map((sql) => sql.end({ timeout: isClean ? GOODBYE_LIMIT_S : 0 })));
  };
  try {
    const stream = await replication.unsafe(startCommand(options.slot, options.publication)).writable();
    const source = { region, append, primaryKeyOf: (oid: number) => primaryKeyOf(catalogue, oid) };
    return streamInto(stream as Duplex, source, observer, disconnect);
  } catch (error) {
    await disconnect(false);
    throw error;
  }
}
