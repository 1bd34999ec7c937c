import { Fn } from 'aws-cdk-lib';
import { IpAddresses, type IVpc, type SubnetSelection, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import { addEndpoints } from './endpoints.ts';
import { FlowLogs } from './flow-logs.ts';
import type { CreatedNetwork, SecurityGroups } from './network.ts';

export type CreatedVpcProps = { readonly options: CreatedNetwork; readonly slot: number };

const DEFAULT_ZONES = 3;
const SUBNETS: SubnetSelection = { subnetType: SubnetType.PRIVATE_ISOLATED };

/** `10.<slot>.0.0/16`. Throws where the slot leaves no such range. */
function rangeOf(slot: number): string {
  if (slot > 255) throw new Error(`network: no range 10.${slot}.0.0/16; hint: set 'cidr' for this region`);
  return `10.${slot}.0.0/16`;
}

/**
 * A VPC without a way to the internet: no gateway of either kind (three NAT gateways alone are 100 USD/month), only endpoints.
 *
 * Its default security group is left as AWS makes it: nothing bears it, and CloudFormation cannot change its rules. What could is
 * a custom resource whose function may change security groups, which opens more than it closes. docs/deploy.md has the two commands.
 */
export class CreatedVpc extends Construct {
  readonly vpc: IVpc;
  readonly subnets: SubnetSelection = SUBNETS;
  readonly #onDemandPollers: boolean;

  constructor(scope: Construct, id: string, { options, slot }: CreatedVpcProps) {
    super(scope, id);
    this.#onDemandPollers = options.onDemandPollers ?? false;
    const zones = options.availabilityZones ?? DEFAULT_ZONES;
    const vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr(options.cidr ?? rangeOf(slot)),
      // Filled in by CloudFormation: looking them up would need an account.
      availabilityZones: Array.from({ length: zones }, (_, index) => Fn.select(index, Fn.getAzs())),
      natGateways: 0,
      subnetConfiguration: [{ name: 'private', subnetType: SubnetType.PRIVATE_ISOLATED }],
      restrictDefaultSecurityGroup: false,
    });
    // The library's class and its own interface differ under exactOptionalPropertyTypes.
    this.vpc = vpc as IVpc;
    new FlowLogs(this, 'FlowLogs', { vpc: this.vpc, days: options.flowLogDays ?? 90 });
  }

  addEndpoints(groups: SecurityGroups): void {
    addEndpoints(this, { vpc: this.vpc, groups, onDemandPollers: this.#onDemandPollers });
  }
}
