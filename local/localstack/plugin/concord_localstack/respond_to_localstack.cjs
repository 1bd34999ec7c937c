/*
 * Loaded before every function. Custom resources answer by HTTPS to the host of their ResponseURL and drop the port on the way,
 * as all code for it does: what goes to this one host is brought to LocalStack.
 */
'use strict';
const http = require('node:http');
const https = require('node:https');

const HOST = 'cloudformation-response.localstack.invalid';
const request = https.request;

https.request = function (...args) {
  const [first, second] = args;
  const url = typeof first === 'string' || first instanceof URL ? new URL(first) : undefined;
  const options = url === undefined ? first : typeof second === 'object' ? second : {};
  if ((url?.hostname ?? options.hostname ?? options.host) !== HOST) return request.apply(this, args);
  const { hostname, port } = new URL(process.env.AWS_ENDPOINT_URL);
  const path = url === undefined ? options.path : url.pathname + url.search;
  const callback = args.find((arg) => typeof arg === 'function');
  return http.request(
    { ...options, protocol: 'http:', agent: undefined, hostname, host: hostname, port, path },
    callback,
  );
};
