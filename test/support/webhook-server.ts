import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before } from 'node:test';

export type Received = { readonly headers: IncomingHttpHeaders; readonly body: string; readonly path: string };

export type WebhookServer = {
  readonly url: (path?: string) => string;
  readonly received: Received[];
  /** How requests are answered from now on. */
  answer: RequestListener;
};

/** A receiver of webhooks on this machine, for the tests of a file. It keeps what it got, and takes everything unless told otherwise. */
export function useWebhookServer(): WebhookServer {
  const made: WebhookServer = {
    url: (path = '/hook') => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    received: [],
    answer: (_request, response) => void response.writeHead(204).end(),
  };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    made.received.push({ headers: request.headers, body, path: request.url ?? '' });
    made.answer(request, response);
  });
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return made;
}
