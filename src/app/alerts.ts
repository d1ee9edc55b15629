// Alerts without Prometheus: what is looked at, and where it is sent. Only where a webhook is configured.

import { join } from "node:path";
import { formatOf } from "../alerts/message.ts";
import { newsConsumer } from "../alerts/news.ts";
import { readTold, writeTold } from "../alerts/standings.ts";
import { AlertWatch } from "../alerts/watch.ts";
import { ALERT_RESULTS, Webhook } from "../alerts/webhook.ts";
import type { Consuming } from "../audit/consumer.ts";
import type { Config } from "../config/settings.ts";
import { readAlertTotals } from "../http/alert-totals.ts";
import type { Service } from "../http/service.ts";
import type { Metrics } from "../metrics/registry.ts";
import { readLogTotals } from "../operations/totals.ts";
import { diskSpace } from "../runtime/disk.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Outside } from "../runtime/outside.ts";
import { machineName } from "../runtime/program.ts";
import type { RunningAuditLog } from "./audit.ts";
import type { DatabaseProbe } from "./database-probe.ts";
import type { Part } from "./parts.ts";

export interface AlertsParts {
  readonly origin: string;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly outside: Outside;
  readonly database: DatabaseProbe;
  readonly auditLog: RunningAuditLog;
  /** Whether this process watches what its host needs once. */
  readonly isLeader: boolean;
}

export interface Alerts {
  readonly consumers: readonly Consuming[];
  readonly part: (service: Service) => Part;
}

/** A sender of the configured webhook; undefined where there is none. */
export function createWebhook(
  { alertWebhook, alertFormat }: Config,
  { outside, log }: Pick<AlertsParts, "outside" | "log">,
): Webhook | undefined {
  if (alertWebhook === undefined) return undefined;
  return new Webhook({
    url: alertWebhook,
    format: alertFormat === "auto" ? formatOf(alertWebhook) : alertFormat,
    clock: outside.clock,
    onSent: ({ alert, status }) => log.info("alert sent", { alert, status }),
    onFailure: (why, alert) => log.error("an alert was not delivered", { alert, why }),
  });
}

/** The machine and the process. */
export function replicaName(): string {
  return `${machineName()} ${process.pid}`;
}

export function createAlerts(config: Config, parts: AlertsParts): Alerts {
  const { origin, metrics, log, outside, isLeader } = parts;
  const webhook = createWebhook(config, { outside, log });
  metrics.counted(
    "deadletter_alerts_total",
    "Alerts of this process's own: taken by the webhook, not taken, dropped because too many waited.",
    "result",
    () => Object.fromEntries(ALERT_RESULTS.map((result) => [result, webhook?.counts[result] ?? 0])),
  );
  if (!webhook) return { consumers: [], part: () => ({ name: "alerts" }) };
  const replica = replicaName();
  const toldPath = join(config.dataDir, "alerts-told");
  const news = newsConsumer({
    deliver: (message, signal) => webhook.deliver(message, signal),
    origin,
    replica,
    now: outside.clock.now,
  });
  return {
    consumers: [news],
    part(service) {
      const watch = new AlertWatch({
        ...{ clock: outside.clock, origin, replica, host: machineName() },
        cooldownMs: config.alertCooldown,
        look: () => lookAround(config, parts, service),
        send: (message) => webhook.send(message),
        told: readTold(toldPath),
        keep(told) {
          try {
            writeTold(outside.files, toldPath, told);
          } catch (error) {
            log.warn("what was told of alerts is not kept", describeError(error));
          }
        },
        isCountingAnew: service.workers === undefined,
        onFailure: (error) => log.warn("it cannot be seen whether anything is wrong", describeError(error)),
      });
      return {
        name: "alerts",
        start: () => (isLeader ? watch.start() : undefined),
        async close() {
          await watch.close();
          await webhook.close();
        },
      };
    },
  };
}

async function lookAround(config: Config, { database, auditLog }: AlertsParts, service: Service) {
  const [head, totals] = await Promise.all([readLogTotals(database).catch(() => undefined), readAlertTotals(service)]);
  return {
    isDatabaseSilent: database.isSilent,
    isRefused: auditLog.isRefused(),
    quarantined: head?.quarantined,
    totals,
    disk: diskSpace(config.dataDir),
  };
}
