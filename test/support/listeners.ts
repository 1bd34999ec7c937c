import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Linux: the TCP addresses on which a process listens, `127.0.0.1:20000`; a port of IPv6 as `[…]:20000`. */
export function listeners(pid: number): string[] {
  const sockets = new Set(readdirSync(`/proc/${pid}/fd`).flatMap((fd) => socketOf(`/proc/${pid}/fd/${fd}`)));
  const rows = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1),
  );
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/);
    return state === '0A' && sockets.has(inode) ? [addressOf(local)] : [];
  });
}

function socketOf(fd: string): string[] {
  try {
    return [/^socket:\[(\d+)\]$/.exec(readlinkSync(fd))?.[1] ?? ''];
  } catch {
    return []; // closed meanwhile
  }
}

/** `127.0.0.1:80` of `0100007F:0050`. */
function addressOf(local: string): string {
  const [host = '', port = ''] = local.split(':');
  const bytes = host.match(/../g)!.map((byte) => Number.parseInt(byte, 16));
  return `${bytes.length === 4 ? bytes.reverse().join('.') : '[…]'}:${Number.parseInt(port, 16)}`;
}
