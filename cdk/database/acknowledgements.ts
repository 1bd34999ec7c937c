import { Validations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { AuroraDatabase, InstanceDatabase } from './options.ts';

const PORT = {
  id: 'AwsSolutions-RDS11',
  reason: 'Who may reach the port is said by security groups; another port would only have to be told to every client.',
};
const UNPROTECTED = {
  id: 'AwsSolutions-RDS10',
  reason: "The option 'removal' says that the database goes with its stack; by default it does not.",
};
const ONE_ZONE = {
  id: 'AwsSolutions-RDS3',
  reason: "The option 'multiAz' says that there is no standby; by default there is one.",
};

/** What cdk-nag finds in a database as its options want it. */
export function acknowledgeServer(server: Construct, options: AuroraDatabase | InstanceDatabase): void {
  const protects = options.removal === undefined || options.removal === 'retain';
  const oneZone = options.kind === 'instance' && options.multiAz === false;
  Validations.of(server).acknowledge(PORT, ...(protects ? [] : [UNPROTECTED]), ...(oneZone ? [ONE_ZONE] : []));
}

export function acknowledgeReplica(replica: Construct, options: InstanceDatabase): void {
  acknowledgeServer(replica, { ...options, multiAz: true });
  Validations.of(replica).acknowledge(
    { id: 'AwsSolutions-RDS2', reason: "A replica has its source's encryption and key; saying so is refused." },
    { id: 'AwsSolutions-RDS3', reason: 'It is for reading alone: where it is lost, it is made again from the source.' },
  );
}
