// What a supervisor and its workers say to one another, over Bun's channel between a process and the one that started it.

import type { Collected, Report } from "../http/report.ts";

/** Where a worker is reached: the first one's ports are everybody's. */
export interface Serving {
  readonly port: number;
  /** host:port of the listener of the API, where it has one of its own. */
  readonly adminListen: string | undefined;
  /** The same of the listener of the metrics. */
  readonly metricsListen: string | undefined;
  /** What the process says to whoever started it. */
  readonly greeting: string;
}

export type ToSupervisor =
  | ({ readonly kind: "serving" } & Serving)
  /** Wants the reports of all workers. */
  | { readonly kind: "collect"; readonly id: number }
  | { readonly kind: "report"; readonly id: number; readonly report: Report }
  /** Why the worker that sequences would not vouch for the stored log; null where it would. */
  | { readonly kind: "refusal"; readonly refusal: string | null };

export type ToWorker =
  | { readonly kind: "report"; readonly id: number }
  | { readonly kind: "collected"; readonly id: number; readonly collected: Collected }
  | { readonly kind: "refusal"; readonly refusal: string | null }
  | { readonly kind: "stop" };
