// What workers that have ended had counted: a sum over workers that forgot them would go down, which Prometheus reads as a
// counter that began anew (prometheus.io/docs/concepts/metric_types).

import { AggregatorRegistry } from "prom-client";
import type { Report } from "../http/report.ts";

interface Metric {
  readonly type: string;
  readonly aggregator: string;
}

/** Only what counts up in a process: what is the store's, or of the moment, ends with it. */
export async function addCounters(sum: Report["metrics"], metrics: Report["metrics"]): Promise<Report["metrics"]> {
  const counters = (metrics as Metric[]).filter(
    ({ type, aggregator }) => aggregator === "sum" && (type === "counter" || type === "histogram"),
  );
  return AggregatorRegistry.aggregate([[...sum], counters]).getMetricsAsJSON();
}
