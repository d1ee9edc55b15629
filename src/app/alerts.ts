// Alerts without Prometheus: what is looked at, and where it is sent. Only where a webhook is configured.

import { formatOf } from "../alerts/message.ts";
import { newsConsumer } from "../alerts/news.ts";
import { AlertWatch } from "../alerts/watch.ts";
import { ALERT_RESULTS, Webhook } from "../alerts/webhook.ts";
import type { Consuming } from "../audit/consumer.ts";
import { CLICK_DROPS } from "../clicks/metrics.ts";
import type { Config } from "../config/settings.ts";
import { type Standing, standingOf } from "../http/report.ts";
import type { Service } from "../http/service.ts";
import type { Metrics } from "../metrics/registry.ts";
import { readLogTotals } from "../operations/totals.ts";
import { diskSpace } from "../runtime/disk.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Outside } from "../runtime/outside.ts";
import { hostName } from "../runtime/program.ts";
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
    onFailure: (why, alert) => log.error("an alert was not delivered", { alert, why }),
  });
}

/** The host without its boot id, and the process. */
export function replicaName(): string {
  return `${hostName().split(" ")[0]} ${process.pid}`;
}

export function createAlerts(config: Config, parts: AlertsParts): Alerts {
  const { origin, metrics, log, outside, isLeader } = parts;
  const webhook = createWebhook(config, { outside, log });
  const words = { counts: ALERT_RESULTS };
  metrics.counted(
    "deadletter_alerts_total",
    "Alerts of this process's own: taken by the webhook, not taken, dropped because too many waited.",
    "result",
    () => Object.fromEntries(words.counts.map((result) => [result, webhook?.counts[result] ?? 0])),
  );
  if (!webhook) return { consumers: [], part: () => ({ name: "alerts" }) };
  const replica = replicaName();
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
        ...{ clock: outside.clock, origin, replica, host: hostName().split(" ")[0] ?? "" },
        cooldownMs: config.alertCooldown,
        look: () => lookAround(config, parts, service),
        send: (message) => webhook.send(message),
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
  const [totals, standings] = await Promise.all([readLogTotals(database).catch(() => undefined), standingsOf(service)]);
  const sum = (read: (standing: Standing) => number) => standings.reduce((total, each) => total + read(each), 0);
  return {
    isDatabaseSilent: database.isSilent,
    isRefused: auditLog.refusal() !== undefined,
    quarantined: totals?.quarantined,
    answers: { total: sum(({ answers }) => answers.total), failed: sum(({ answers }) => answers.failed) },
    clicksDropped: sum(({ clicks }) => CLICK_DROPS.reduce((total, reason) => total + (clicks.dropped[reason] ?? 0), 0)),
    alarms: auditLog.alarms(),
    disk: diskSpace(config.dataDir),
  };
}

/** Of all that serve together, as far as they answer. */
async function standingsOf(service: Service): Promise<readonly Standing[]> {
  return (await service.workers?.collect().catch(() => undefined))?.reports ?? [standingOf(service)];
}
