import { join } from 'node:path';

export type Place = {
  /** The run directory of this LocalStack: state, unpacked code, log. */
  readonly directory: string;
  readonly port: number;
  /** The folder of our Python modules. */
  readonly plugin: string;
  /** The program that runs the functions' Node processes, and the module that each of them runs. */
  readonly node: string;
  readonly functionProcess: string;
  /** Stands for /var/runtime/node_modules. */
  readonly runtimeModules: string;
};

/** The whole environment of LocalStack's process: nothing is inherited. */
export function environmentFor(place: Place): Record<string, string> {
  const { directory, port, plugin } = place;
  const listen = `127.0.0.1:${port}`;
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'C.UTF-8',
    HOME: directory,
    TMPDIR: join(directory, 'tmp'),
    PYTHONPATH: plugin,
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUNBUFFERED: '1',
    // Where /.dockerenv exists LocalStack would write to system folders and bind every address.
    OVERRIDE_IN_DOCKER: '0',
    FILESYSTEM_ROOT: join(directory, 'state'),
    GATEWAY_LISTEN: listen,
    LOCALSTACK_HOST: listen,
    // The default server binds 0.0.0.0, whatever GATEWAY_LISTEN says.
    GATEWAY_SERVER: 'hypercorn',
    SQS_ENDPOINT_STRATEGY: 'path',
    // Nothing listens beside the gateway, nothing is asked of the network, nothing is kept.
    DNS_ADDRESS: '0',
    SKIP_SSL_CERT_DOWNLOAD: '1',
    DISABLE_EVENTS: '1',
    PERSISTENCE: '0',
    DEBUG: '0',
    // Resources that only AWS has are passed over, with `unknown` as their Ref.
    CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES: '1',
    LAMBDA_RUNTIME_EXECUTOR: 'concord',
    LAMBDA_RETRY_BASE_DELAY: '1',
    LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC: '0.05',
    LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC: '1',
    // LocalStack refuses what it does not know; Lambda's own list decides.
    LAMBDA_RUNTIME_VALIDATION: '0',
    CONCORD_NODE: place.node,
    CONCORD_FUNCTION_PROCESS: place.functionProcess,
    CONCORD_RUNTIME_MODULES: place.runtimeModules,
  };
}
