// What /metrics says of links and changes: what this process committed, and what the store's own counters say of all.

import type { Counter } from "prom-client";
import { type Labelled, type Metrics, once } from "../metrics/registry.ts";
import type { NamedCounter } from "../model/counters.ts";
import { EVENT_TYPES } from "../model/event.ts";
import { SUBJECTS } from "../model/subjects.ts";

/** Committed changes, each of which wrote one event. */
export type Mutations = Counter<"subject" | "op">;

/** `readCounters`: empty while the store does not answer. */
export function publishOperations(
  metrics: Metrics,
  readCounters: () => Promise<readonly NamedCounter[]>,
): { readonly mutations: Mutations } {
  const read = once(readCounters);
  metrics.countedOnce(
    "deadletter_events_total",
    "Audit events in the store, whichever process wrote them.",
    ["subject", "event_type"],
    async () => {
      const counters = await read();
      // Not while the store is away: a series that fell to 0 would read as one that began anew.
      return counters.length > 0 ? eventSeries(counters) : [];
    },
  );
  metrics.gauge("deadletter_links", "Links in the store by state.", { label: "state", aggregator: "first" }, async () =>
    Object.fromEntries(
      (await read()).flatMap(({ name, value }) => {
        const [kind, state] = name.split(":");
        return kind === "links" && state !== undefined ? [[state, value] as const] : [];
      }),
    ),
  );
  const words = { subject: SUBJECTS.map(({ type }) => type), op: EVENT_TYPES };
  const help = "Changes committed by this process; each wrote one audit event in the same transaction.";
  return { mutations: metrics.counter("deadletter_mutations_total", help, words) };
}

function eventSeries(counters: readonly NamedCounter[]): Labelled[] {
  const none = SUBJECTS.flatMap(({ type: subject }) =>
    EVENT_TYPES.map((event_type): Labelled => [{ subject, event_type }, 0]),
  );
  const some = counters.flatMap(({ name, value }): Labelled[] => {
    const [kind, subject, event_type] = name.split(":");
    return kind === "events" && subject !== undefined && event_type !== undefined
      ? [[{ subject, event_type }, value]]
      : [];
  });
  return [...none, ...some];
}
