import type { LocalStack } from '../../local/localstack/localstack.ts';

/* For services of which there is no client here. */

type Clients = Pick<LocalStack, 'clientConfig'>;

/** `target`: `TrentService.ListKeys`. Returns JSON. Throws unless the answer is good. */
export const callJson = (
  localStack: Clients,
  region: string,
  service: string,
  target: string,
  input: object,
): Promise<string> =>
  send(localStack, region, service, JSON.stringify(input), {
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': target,
  });

/** `form`: `Action=ListTopics&Version=2010-03-31`. Returns XML. Throws unless the answer is good. */
export const callForm = (localStack: Clients, region: string, service: string, form: string): Promise<string> =>
  send(localStack, region, service, form, { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' });

/** LocalStack reads service and region out of the signature, and does not check it. */
async function send(
  { clientConfig }: Clients,
  region: string,
  service: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const { endpoint, credentials } = clientConfig(region);
  const scope = `${credentials.accessKeyId}/20260101/${region}/${service}/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none`;
  const response = await fetch(endpoint, { method: 'POST', headers: { ...headers, authorization }, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${service}: ${response.status} ${text.slice(0, 500)}`);
  return text;
}
