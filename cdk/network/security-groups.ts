import { type ISecurityGroup, type IVpc, Peer, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { SecurityGroups } from './network.ts';

const POSTGRES = Port.tcp(5432);
const HTTPS = Port.tcp(443);
const KAFKA_SCRAM = Port.tcp(9096);
const KAFKA_IAM = Port.tcp(9098);

/** Lets nothing in, and nothing out: EC2 takes its rule that lets everything out away once a group comes with one of its own. */
export function closedGroup(scope: Construct, id: string, vpc: IVpc, description: string): SecurityGroup {
  const group = new SecurityGroup(scope, id, { vpc, description: `Concord: ${description}`, allowAllOutbound: false });
  group.addEgressRule(Peer.ipv4('127.0.0.1/32'), Port.allTraffic(), 'nowhere');
  return group;
}

/** One group per role, and between them exactly what the path of a change needs. */
export function createSecurityGroups(scope: Construct, vpc: IVpc): SecurityGroups {
  const group = (id: string, description: string): SecurityGroup => closedGroup(scope, id, vpc, description);
  const groups = {
    database: group('DatabaseGroup', 'database'),
    proxy: group('ProxyGroup', 'database proxy'),
    kafka: group('KafkaGroup', 'brokers, their pollers and replicators'),
    functions: group('FunctionsGroup', 'functions'),
    connect: group('ConnectGroup', 'the connector'),
  };
  const { database, proxy, kafka, functions, connect } = groups;
  allow(functions, proxy, POSTGRES, 'apply');
  allow(proxy, database, POSTGRES, 'proxied sessions');
  allow(functions, database, POSTGRES, 'enroll, rotate');
  allow(connect, database, POSTGRES, 'capture');
  allow(connect, kafka, KAFKA_IAM, 'capture');
  // Pollers of the event source mapping and replicators bear the group of the cluster that they read.
  allow(kafka, kafka, KAFKA_IAM, 'pollers, replicators');
  allow(kafka, kafka, KAFKA_SCRAM, 'pollers with a password');
  return groups;
}

/**
 * To AWS without knowing the way: S3 has a route but no security group, and the id of its prefix list CloudFormation does not
 * tell; a VPC of the user's may have a NAT gateway. Where nothing else is routed, nothing else is reached.
 */
export function allowHttps(caller: ISecurityGroup): void {
  caller.addEgressRule(Peer.anyIpv4(), HTTPS, 'AWS services');
}

function allow(from: ISecurityGroup, to: ISecurityGroup, port: Port, what: string): void {
  from.addEgressRule(to, port, what);
  to.addIngressRule(from, port, what);
}
