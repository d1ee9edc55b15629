// prom-client's registry and the ways in which the parts of a process put their metrics into it. Labels come from closed sets
// only; every series stands from the start, at 0: one that begins with the first failure hides it from rate().

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Buckets } from "./buckets.ts";

/**
 * Under Bun these are always 0, of another program (its Node.js version), or no size of any heap (6 GB of 60 MB). Those of heap
 * spaces walk the whole heap: 18 ms in which no request is answered, of an idle process, at each scrape.
 */
const WRONG_UNDER_BUN = [
  ...["total", "used", "available"].map((which) => `nodejs_heap_space_size_${which}_bytes`),
  ...["handles", "requests", "resources"].flatMap((kind) => [`nodejs_active_${kind}`, `nodejs_active_${kind}_total`]),
  "process_heap_bytes",
  "nodejs_version_info",
];

/** How the values of several processes that serve together become one. */
export type Aggregator = "sum" | "first" | "min" | "max";

export interface GaugeOptions<Label extends string = string> {
  readonly label?: Label;
  readonly aggregator?: Aggregator;
}

/** Values by the label's words; one number where there is no label; undefined takes the series away. */
type Values = Readonly<Record<string, number>> | number | undefined;

export class Metrics {
  readonly registry = new Registry();

  constructor(version: string) {
    // In ms; at the default of 10 an idle process wakes up a hundred times a second for it.
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: 100 });
    for (const name of WRONG_UNDER_BUN) this.registry.removeSingleMetric(name);
    new Gauge({
      name: "deadletter_build_info",
      help: "Always 1; the versions of the program and of its runtime are in the labels.",
      labelNames: ["version", "bun"],
      aggregator: "first",
      registers: [this.registry],
    }).set({ version, bun: Bun.version }, 1);
  }

  /** A counter with one series for each combination of the labels' words. */
  counter<Label extends string>(
    name: string,
    help: string,
    words: Readonly<Record<Label, readonly string[]>>,
  ): Counter<Label> {
    const labelNames = Object.keys(words) as Label[];
    const counter = new Counter({ name, help, labelNames, registers: [this.registry] });
    for (const labels of combinationsOf(words)) counter.inc(labels, 0);
    return counter;
  }

  /** A counter whose series come with their first value: where they are too many to stand from the start. */
  lazyCounter<Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  histogram<Label extends string>(
    name: string,
    help: string,
    { labels, bounds }: { readonly labels: readonly Label[]; readonly bounds: readonly number[] },
  ): Histogram<Label> {
    return new Histogram({ name, help, labelNames: labels, buckets: [...bounds], registers: [this.registry] });
  }

  /** A histogram of what is counted elsewhere: by the label's words, or one where there is no label. */
  buckets(name: string, help: string, label: string | undefined, read: BucketsByWord | Buckets): void {
    this.registry.registerMetric(new CountedHistogram(name, help, label, read));
  }

  /** Published when scraped, from numbers that are counted elsewhere: `inc({labels})` costs a hundred times as much as `+= 1`. */
  counted(name: string, help: string, label: string | undefined, read: () => Values | Promise<Values>): void {
    this.#publish(Counter, name, help, { ...(label === undefined ? {} : { label }) }, read);
  }

  /** A counter that all processes of a server read at one place. */
  countedOnce(name: string, help: string, labels: readonly string[], read: () => Promise<readonly Labelled[]>): void {
    const registers = [this.registry];
    new Counter({
      name,
      help,
      labelNames: [...labels],
      aggregator: "max",
      registers,
      async collect() {
        const rows = await read();
        this.reset();
        for (const [values, value] of rows) this.inc(values, value);
      },
    });
  }

  /** A number of this moment. */
  gauge(name: string, help: string, options: GaugeOptions, read: () => Values | Promise<Values>): void {
    this.#publish(Gauge, name, help, options, read);
  }

  #publish(
    kind: typeof Counter | typeof Gauge,
    name: string,
    help: string,
    { label, aggregator = "sum" }: GaugeOptions,
    read: () => Values | Promise<Values>,
  ): void {
    const labelNames = label === undefined ? [] : [label];
    new kind({
      name,
      help,
      labelNames,
      aggregator,
      registers: [this.registry],
      async collect() {
        const values = await read();
        this.reset();
        if (values === undefined) {
          // reset() has put a series without labels back to 0, and taken away all others.
          if (label === undefined) this.remove();
        } else if (typeof values === "number") this.inc(values);
        else for (const [word, value] of Object.entries(values)) this.inc({ [label ?? ""]: word }, value);
      },
    });
  }
}

/** Its values are read from buckets as they are scraped. */
class CountedHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #series: readonly (readonly [Readonly<Record<string, string>>, Buckets])[];

  constructor(name: string, help: string, label: string | undefined, read: BucketsByWord | Buckets) {
    super({ name, help, labelNames: label === undefined ? [] : [label], registers: [] });
    this.#name = name;
    this.#help = help;
    this.#series =
      label === undefined
        ? [[{}, read as Buckets]]
        : Object.entries(read as BucketsByWord).map(([word, one]) => [{ [label]: word }, one]);
  }

  /** What prom-client makes both its text and its objects of. */
  getForPromString() {
    const name = this.#name;
    const values = this.#series.flatMap(([sharedLabels, { bounds, counts, sum }]) => {
      let total = 0;
      const below = [...bounds, "+Inf"].map((le, at) => {
        total += counts[at] ?? 0;
        return { labels: { le }, sharedLabels, value: total, metricName: `${name}_bucket` };
      });
      return [
        ...below,
        { labels: {}, sharedLabels, value: sum, metricName: `${name}_sum` },
        { labels: {}, sharedLabels, value: total, metricName: `${name}_count` },
      ];
    });
    return Promise.resolve({ name, help: this.#help, type: "histogram", values, aggregator: "sum" });
  }
}

type BucketsByWord = Readonly<Record<string, Buckets>>;

/** The values of a series' labels, and its own. */
export type Labelled = readonly [Readonly<Record<string, string>>, number];

/** Calls of one scrape share one read. */
export function once<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined;
  return () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
}

function combinationsOf<Label extends string>(
  words: Readonly<Record<Label, readonly string[]>>,
): Partial<Record<Label, string>>[] {
  const entries = Object.entries<readonly string[]>(words);
  return entries.reduce<Partial<Record<Label, string>>[]>(
    (found, [label, values]) => found.flatMap((labels) => values.map((value) => ({ ...labels, [label]: value }))),
    [{}],
  );
}
