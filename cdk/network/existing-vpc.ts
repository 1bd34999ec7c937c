import { type IVpc, Subnet, type SubnetSelection, Vpc } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { ExistingNetwork } from './network.ts';

export type ImportedVpc = { readonly vpc: IVpc; readonly subnets: SubnetSelection };

/** By what the options say of it, so that no account is asked. Throws where zones and subnets do not match. */
export function importVpc(scope: Construct, options: ExistingNetwork): ImportedVpc {
  const { vpcId, cidr, availabilityZones, subnetIds } = options;
  if (subnetIds.length < 2 || subnetIds.length !== availabilityZones.length)
    throw new Error(
      `network: ${subnetIds.length} subnets in ${availabilityZones.length} zones; hint: name one private subnet per zone, of two zones or more, in the same order`,
    );
  const vpc = Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId,
    vpcCidrBlock: cidr,
    availabilityZones: [...availabilityZones],
  });
  const subnets = subnetIds.map((subnetId, index) =>
    Subnet.fromSubnetAttributes(scope, `Subnet${index}`, {
      subnetId,
      availabilityZone: availabilityZones[index] ?? '',
      // Never read: nothing here adds a route. Without it the library warns at each synthesis.
      routeTableId: 'unknown',
    }),
  );
  return { vpc, subnets: { subnets } };
}
