import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';

const services = new Map<string, Metrics>();

function metricsOf(serviceName: string): Metrics {
  const metrics = services.get(serviceName) ?? new Metrics({ namespace: 'Concord', serviceName });
  services.set(serviceName, metrics);
  return metrics;
}

/** Counts and milliseconds of one committed batch (or run), written as one EMF line. Names ending in `Ms` are milliseconds. */
export function emit(
  dimensions: Readonly<Record<string, string>>,
  values: Readonly<Record<string, number>>,
  service = 'apply',
): void {
  const metrics = metricsOf(service);
  metrics.addDimensions({ ...dimensions });
  for (const [name, value] of Object.entries(values))
    metrics.addMetric(name, name.endsWith('Ms') ? MetricUnit.Milliseconds : MetricUnit.Count, value);
  metrics.publishStoredMetrics();
}
