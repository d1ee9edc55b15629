// What the signed log itself says that somebody should hear of, whoever did it: a durable consumer, so that one process tells it once.

import type { Consuming } from "../audit/consumer.ts";
import { LIMITS } from "../limits.ts";
import type { TailRow } from "../store/queries/log.ts";
import type { AlertMessage } from "./message.ts";

export interface NewsOptions {
  readonly deliver: (message: AlertMessage, signal: AbortSignal) => Promise<boolean>;
  readonly origin: string;
  readonly replica: string;
  readonly now: () => number;
}

export function newsConsumer({ deliver, origin, replica, now }: NewsOptions): Consuming {
  return {
    name: "alerts",
    startsAtEnd: true,
    async take(entries, epoch, signal) {
      for (const entry of entries) {
        const news = newsOf(entry);
        // Where the webhook was away for long nobody wants to hear of all that happened since.
        if (news === undefined || now() - entry.at_ms > LIMITS.alertNewsMs) continue;
        const dedupeKey = `deadletter/${origin}/${news.alert}/${epoch}/${entry.idx}`;
        const message = {
          ...news,
          status: "info",
          severity: "info",
          dedupeKey,
          runbook: null,
          replica,
          atMs: entry.at_ms,
        } as const;
        // What a receiver will not take must not keep all that comes after it waiting.
        await deliver(message, signal);
        if (signal.aborted) throw new Error("stopped before everything was told");
      }
    },
  };
}

/** Names subjects by their ids alone. */
function newsOf({ subject_type, subject_id, op, idx }: TailRow): { alert: string; summary: string } | undefined {
  if (subject_type === "log")
    return { alert: "log_rollback", summary: `it was accepted that the log went back (log entry ${idx})` };
  if (op === "erased")
    return { alert: "erased", summary: `${subject_type} ${subject_id} was erased (log entry ${idx})` };
  return undefined;
}
