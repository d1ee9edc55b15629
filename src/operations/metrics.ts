// What /metrics says of links and changes: what this process committed, and what the store's own counters say of all.

import type { Counter } from "prom-client";
import { type Labelled, type Metrics, once } from "../metrics/registry.ts";
import type { NamedCounter } from "../model/counters.ts";
import { EVENT_TYPES } from "../model/event.ts";
import { SUBJECTS } from "../model/subjects.ts";
import type { ChangeCounts } from "./counts.ts";

/** Committed changes, each of which wrote one event. */
export type Mutations = Counter<"subject" | "op">;

/** `readCounters`: empty while the store does not answer. */
export function publishOperations(
  metrics: Metrics,
  counts: ChangeCounts,
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
  const links = { label: "state", aggregator: "first" } as const;
  metrics.gauge("deadletter_links", "Links in the store by state.", links, async () => {
    const counters = await read();
    const linksOf = (state: string) => counters.find(({ name }) => name === `links:${state}`)?.value ?? 0;
    return counters.length > 0 ? { active: linksOf("active"), inactive: linksOf("inactive") } : undefined;
  });
  publishChanges(metrics, counts);
  const words = { subject: SUBJECTS.map(({ type }) => type), op: EVENT_TYPES };
  const help = "Changes committed by this process; each wrote one audit event in the same transaction.";
  return { mutations: metrics.counter("deadletter_mutations_total", help, words) };
}

function publishChanges(metrics: Metrics, counts: ChangeCounts): void {
  metrics.buckets(
    "deadletter_mutation_duration_seconds",
    "Time from a change being asked for to its COMMIT, or its refusal; rows of bulk and import are not among them.",
    "result",
    counts.seconds,
  );
  metrics.buckets(
    "deadletter_mutation_group_size",
    "How many changes that waited at the same time shared a transaction.",
    undefined,
    counts.groupSizes,
  );
  metrics.counted(
    "deadletter_mutations_retried_total",
    "Changes tried by themselves because the database refused the group they were in.",
    undefined,
    () => counts.triedAlone,
  );
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
