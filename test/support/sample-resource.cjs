/* A function behind a custom resource, which does what the resource's properties ask for and remembers its requests. */
'use strict';
const https = require('node:https');

const requests = [];

exports.handler = async (event) => {
  if (event.ask === 'requests') return requests.splice(0);
  requests.push({
    type: event.RequestType,
    physicalId: event.PhysicalResourceId,
    properties: event.ResourceProperties,
    old: event.OldResourceProperties,
  });
  const { Answer, PhysicalId, Misbehave } = event.ResourceProperties;
  const isDelete = event.RequestType === 'Delete';
  if (Misbehave === 'throw' && !isDelete) throw new Error('thrown on purpose');
  if (Misbehave === 'silence' && !isDelete) return;
  const failed = Misbehave === 'refuse' && !isDelete;
  await respond(event.ResponseURL, {
    Status: failed ? 'FAILED' : 'SUCCESS',
    Reason: failed ? 'refused on purpose' : undefined,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    PhysicalResourceId: PhysicalId ?? event.PhysicalResourceId ?? 'without-name',
    Data: { Answer, 'Deep.Answer': `deep ${Answer}` },
  });
};

/** As cfn-response and CDK's provider framework do: the host and the path of the URL, by HTTPS. */
function respond(responseUrl, answer) {
  const { hostname, pathname, search } = new URL(responseUrl);
  const body = JSON.stringify(answer);
  const headers = { 'content-type': '', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = https.request({ hostname, path: pathname + search, method: 'PUT', headers }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`the response was answered with ${response.statusCode}`));
    });
    request.on('error', reject);
    request.end(body);
  });
}
