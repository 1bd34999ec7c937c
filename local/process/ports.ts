import { randomInt } from 'node:crypto';

// Below the range from which systems pick ports for outgoing connections (32768 on Linux, 49152 elsewhere), so that a
// stopped cluster finds its own port free when it starts again.
const FIRST_PORT = 20_000;
const PORT_COUNT = 10_000;

let next = randomInt(PORT_COUNT);

/** A TCP port that this process has not handed out yet; whether it is free shows when a server binds it. */
export function nextPort(): number {
  const port = FIRST_PORT + next;
  next = (next + 1) % PORT_COUNT;
  return port;
}
