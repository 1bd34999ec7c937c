import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before } from 'node:test';

type Version = { text: string | undefined; readonly stages: Set<string> };
type Body = Readonly<Record<string, unknown>>;

/** Secrets Manager's JSON protocol with secrets in memory: enough to read and to rotate. */
export class SecretsManager {
  readonly #secrets = new Map<string, Map<string, Version>>();
  /** Names of the operations asked for, in order, with the label of a version where one is named. */
  readonly calls: string[] = [];
  /** Operations that are refused, by secret. */
  readonly denied = new Set<string>();

  /** A secret whose only version is current; returns its ARN. */
  create(name: string, value: object | string): string {
    const arn = `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${name}`;
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    this.#secrets.set(arn, new Map([[randomUUID(), { text, stages: new Set(['AWSCURRENT']) }]]));
    return arn;
  }

  /** As `rotateSecret` does before it calls the function: the new version has its label and no content. */
  beginRotation(arn: string): string {
    const id = randomUUID();
    this.#move(this.#versions(arn), 'AWSPENDING', id);
    return id;
  }

  read(arn: string, stage: string): Record<string, string> | undefined {
    const text = this.#labelled(this.#versions(arn), stage)?.text;
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Stores a value under a label, in a version of its own. */
  put(arn: string, stage: string, value: object): void {
    const id = randomUUID();
    this.#versions(arn).set(id, { text: JSON.stringify(value), stages: new Set() });
    this.#move(this.#versions(arn), stage, id);
  }

  handle(operation: string, body: Body): object {
    const arn = String(body.SecretId);
    this.calls.push([operation, body.VersionStage].filter(Boolean).join(' '));
    if (this.denied.has(arn)) throw new Refused('AccessDeniedException', 'not authorized to perform');
    const versions = this.#versions(arn);
    const id = String(body.ClientRequestToken ?? body.MoveToVersionId ?? '');
    if (operation === 'GetSecretValue') {
      const version = this.#labelled(versions, String(body.VersionStage ?? 'AWSCURRENT'));
      if (version?.text === undefined)
        throw new Refused('ResourceNotFoundException', `can't find ${body.VersionStage}`);
      return { ARN: arn, SecretString: version.text };
    }
    if (operation === 'DescribeSecret')
      return {
        VersionIdsToStages: Object.fromEntries(
          [...versions].filter(([, { stages }]) => stages.size > 0).map(([key, { stages }]) => [key, [...stages]]),
        ),
      };
    if (operation === 'PutSecretValue')
      this.#put(versions, id, String(body.SecretString), body.VersionStages as string[]);
    else if (operation === 'UpdateSecretVersionStage') this.#update(versions, id, body);
    else throw new Refused('UnknownOperationException', operation);
    return { ARN: arn, VersionId: id };
  }

  #put(versions: Map<string, Version>, id: string, text: string, stages: readonly string[]): void {
    const known = versions.get(id);
    if (known?.text !== undefined && known.text !== text)
      throw new Refused('ResourceExistsException', 'a version with this token has other content');
    versions.set(id, { text, stages: known?.stages ?? new Set() });
    for (const stage of stages) this.#move(versions, stage, id);
  }

  #update(versions: Map<string, Version>, to: string, { VersionStage, RemoveFromVersionId: from }: Body): void {
    const stage = String(VersionStage);
    const holder = [...versions].find(([, { stages }]) => stages.has(stage))?.[0];
    if (holder !== undefined && holder !== from && holder !== to)
      throw new Refused('InvalidParameterException', `${stage} is at another version: name it in RemoveFromVersionId`);
    this.#move(versions, stage, to);
    if (stage === 'AWSCURRENT' && holder !== undefined && holder !== to) this.#move(versions, 'AWSPREVIOUS', holder);
  }

  #move(versions: Map<string, Version>, stage: string, id: string): void {
    for (const { stages } of versions.values()) stages.delete(stage);
    const version = versions.get(id) ?? { text: undefined, stages: new Set() };
    version.stages.add(stage);
    versions.set(id, version);
  }

  #labelled = (versions: Map<string, Version>, stage: string): Version | undefined =>
    [...versions.values()].find(({ stages }) => stages.has(stage));

  #versions(arn: string): Map<string, Version> {
    const versions = this.#secrets.get(arn);
    if (versions === undefined) throw new Refused('ResourceNotFoundException', "can't find the specified secret");
    return versions;
  }
}

class Refused extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

async function answer(manager: SecretsManager, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  const operation = String(request.headers['x-amz-target']).replace('secretsmanager.', '');
  try {
    const result = manager.handle(operation, JSON.parse(text));
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(result));
  } catch (error) {
    const { name, message } = error as Error;
    response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify({ __type: name, message }));
  }
}

/** A server for the tests of this file; the SDK of this process, and of children with `environment()`, speaks to it. */
export function useSecretsManager(): SecretsManager & { readonly environment: () => Record<string, string> } {
  const manager = new SecretsManager();
  const server = createServer((request, response) => void answer(manager, request, response));
  const environment = (): Record<string, string> => ({
    AWS_ENDPOINT_URL_SECRETS_MANAGER: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  });
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    Object.assign(process.env, environment());
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(manager, { environment });
}
