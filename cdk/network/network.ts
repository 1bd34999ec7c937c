import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import { CreatedVpc } from './created-vpc.ts';
import { importVpc } from './existing-vpc.ts';
import { allowHttps, createSecurityGroups } from './security-groups.ts';

export type CreatedNetwork = {
  readonly kind: 'create';
  /** Of the region's VPC; regions that are to be peered need ranges of their own. Default 10.<slot>.0.0/16. */
  readonly cidr?: string;
  /** Default 3: one zone lost leaves a majority of brokers. 2 for the few regions that offer an account no more. */
  readonly availabilityZones?: 2 | 3;
  /**
   * Endpoints for Lambda and STS, which the pollers of an event source mapping need unless it is provisioned, as Concord's are.
   * Default false: 45 USD/month with three zones.
   */
  readonly onDemandPollers?: boolean;
  /** Of the flow logs, in days. Default 90. They cost 0.50 USD/GB; a flow is a line every ten minutes. */
  readonly flowLogDays?: 30 | 90 | 365;
};

export type ExistingNetwork = {
  readonly kind: 'existing';
  readonly vpcId: string;
  readonly cidr: string;
  readonly availabilityZones: readonly string[];
  /** Private, one per zone, with a way to what `endpoints.ts` lists: endpoints or a NAT gateway. */
  readonly subnetIds: readonly string[];
};

export type NetworkOptions = CreatedNetwork | ExistingNetwork;

export type SecurityGroups = {
  /** The database: reached by proxy, functions and Connect. */
  readonly database: ISecurityGroup;
  readonly proxy: ISecurityGroup;
  /** The brokers: reached by Connect, event source mapping and replicators. The latter two bear this group themselves. */
  readonly kafka: ISecurityGroup;
  readonly functions: ISecurityGroup;
  readonly connect: ISecurityGroup;
};

export type NetworkProps = { readonly options: NetworkOptions; readonly slot: number };

/** Where a region's parts live, and who may speak to whom. */
export class Network extends Construct {
  readonly vpc: IVpc;
  readonly subnets: SubnetSelection;
  readonly groups: SecurityGroups;

  constructor(scope: Construct, id: string, { options, slot }: NetworkProps) {
    super(scope, id);
    if (options.kind === 'create') {
      const created = new CreatedVpc(this, 'Created', { options, slot });
      this.vpc = created.vpc;
      this.subnets = created.subnets;
      this.groups = createSecurityGroups(this, created.vpc);
      created.addEndpoints(this.groups);
    } else {
      const { vpc, subnets } = importVpc(this, options);
      this.vpc = vpc;
      this.subnets = subnets;
      this.groups = createSecurityGroups(this, vpc);
      for (const caller of [this.groups.functions, this.groups.connect, this.groups.kafka]) allowHttps(caller);
    }
  }
}
