// What an alert says, and how each kind of receiver wants to be told. No message holds a target, an email address or a key. Pure.

import { formatTime } from "../model/time.ts";

export interface AlertMessage {
  readonly status: "firing" | "resolved" | "info" | "test";
  /** The closed list of names: conditions.ts and news.ts. */
  readonly alert: string;
  readonly severity: "page" | "ticket" | "info";
  /** One line for people. */
  readonly summary: string;
  /** Messages of one key are about one thing, whichever replica sends them. */
  readonly dedupeKey: string;
  /** The section of docs/runbook.md; null where there is nothing to do. */
  readonly runbook: string | null;
  /** Host and process that sends it. */
  readonly replica: string;
  readonly atMs: number;
}

export const WEBHOOK_FORMATS = ["generic", "slack", "discord", "ntfy"] as const;
export type WebhookFormat = (typeof WEBHOOK_FORMATS)[number];

export interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The format that an address's host is known for; generic for all others. */
export function formatOf(url: string): WebhookFormat {
  const host = URL.parse(url)?.hostname ?? "";
  if (host === "hooks.slack.com") return "slack";
  if (/^(?:[\w-]+\.)?discord(?:app)?\.com$/.test(host)) return "discord";
  return host === "ntfy.sh" ? "ntfy" : "generic";
}

export function postOf(format: WebhookFormat, message: AlertMessage): Post {
  const line = `${SIGNS[message.status]} deadletter: ${message.summary} (${message.replica})`;
  switch (format) {
    case "slack":
      return json({ text: line });
    case "discord":
      // Whatever a name may hold, nobody is mentioned by it (Discord, "Allowed Mentions").
      return json({ content: line, allowed_mentions: { parse: [] } });
    case "ntfy":
      return {
        // Publish as plain text: title and priority are headers (docs.ntfy.sh/publish).
        headers: {
          "content-type": "text/plain; charset=utf-8",
          title: `deadletter ${message.alert}`,
          ...urgency(message),
        },
        body: line,
      };
    case "generic":
      return json({
        source: "deadletter",
        status: message.status,
        alert: message.alert,
        severity: message.severity,
        summary: message.summary,
        dedupe_key: message.dedupeKey,
        replica: message.replica,
        // A heading of docs/runbook.md.
        runbook: message.runbook,
        at: formatTime(message.atMs),
      });
  }
}

const SIGNS = { firing: "[FIRING]", resolved: "[RESOLVED]", info: "[INFO]", test: "[TEST]" } as const;

function urgency({ status, severity }: AlertMessage): Readonly<Record<string, string>> {
  if (status !== "firing") return { priority: "default" };
  return severity === "page" ? { priority: "urgent", tags: "rotating_light" } : { priority: "high", tags: "warning" };
}

function json(body: object): Post {
  return { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
