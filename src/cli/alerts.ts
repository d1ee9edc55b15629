// alerts test: sends one message to the configured webhook, and says whether it was taken.

import { createWebhook, replicaName } from "../app/alerts.ts";
import { badRequest, unavailable } from "../errors.ts";
import { createLogger } from "../runtime/logger.ts";
import { SYSTEM } from "../runtime/outside.ts";
import type { Command } from "./command.ts";
import { print } from "./output.ts";

export const alertsTestCommand: Command = {
  name: "alerts test",
  summary: "Send a test message to the alert webhook; exits 7 if it is not taken.",
  args: [],
  flags: [],
  settings: ["alertWebhook", "alertFormat", "logLevel"],
  examples: ["DEADLETTER_ALERT_WEBHOOK_FILE=/etc/deadletter/webhook deadletter alerts test"],
  async run(input, io) {
    const log = createLogger("silent");
    const webhook = createWebhook(input.config, { outside: SYSTEM, log });
    if (!webhook)
      throw badRequest(
        "no webhook is configured",
        "put its address into a file and name that in DEADLETTER_ALERT_WEBHOOK_FILE",
      );
    const delivery = await webhook.post({
      status: "test",
      alert: "test",
      severity: "info",
      summary: "this is a test: alerts of this server arrive here",
      dedupeKey: "deadletter/test",
      runbook: null,
      replica: replicaName(),
      atMs: SYSTEM.clock.now(),
    });
    if (!delivery.ok) throw unavailable(`the webhook did not take the message: ${delivery.why}`);
    print(io, input, { sent: true, status: delivery.status }, () => `sent: the webhook answered ${delivery.status}\n`);
    return 0;
  },
};
