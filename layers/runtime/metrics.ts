import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';

const metrics = new Metrics({ namespace: 'Concord', serviceName: 'apply' });

/** Counts and milliseconds of one committed batch, written as one EMF line. Names ending in `Ms` are milliseconds. */
export function emit(dimensions: Readonly<Record<string, string>>, values: Readonly<Record<string, number>>): void {
  metrics.addDimensions({ ...dimensions });
  for (const [name, value] of Object.entries(values))
    metrics.addMetric(name, name.endsWith('Ms') ? MetricUnit.Milliseconds : MetricUnit.Count, value);
  metrics.publishStoredMetrics();
}
