// What is watched without Prometheus: the closed list of conditions, each decided from what a process knows of itself. Pure.

import { ALARM_KINDS, type AlarmKind } from "../audit/alarm.ts";
import { LIMITS } from "../limits.ts";
import type { DiskSpace } from "../runtime/disk.ts";

/** What is counted of all processes that serve together, since they started; it never falls. */
export interface Totals {
  /** Redirects and API requests answered, and those of them answered 5xx. */
  readonly answers: number;
  readonly failures: number;
  readonly clicksDropped: number;
  readonly alarms: Readonly<Record<AlarmKind, number>>;
}

/** What a process knows at one moment. */
export interface Snapshot {
  readonly atMs: number;
  readonly isDatabaseSilent: boolean;
  /** Undefined until the stored log has been looked at. */
  readonly isRefused: boolean | undefined;
  /** Undefined while the store does not answer. */
  readonly quarantined: number | undefined;
  /** Undefined where not every process has answered in time. */
  readonly totals: Totals | undefined;
  readonly disk: DiskSpace | undefined;
}

/** What is wrong, in one line; null where nothing is, undefined where it cannot be told now. */
type Finding = string | null | undefined;

export interface Condition {
  readonly name: string;
  readonly severity: "page" | "ticket";
  /** How long it must hold before anybody is told. */
  readonly forMs: number;
  /** When it is said again that it still holds. */
  readonly remindMs: number;
  /** Whether every replica sees the same: then they all send it under one key. */
  readonly isShared: boolean;
  /** `ago` gives the totals of so many milliseconds before, or the oldest. */
  readonly find: (now: Snapshot, ago: (ms: number) => Totals) => Finding;
  readonly resolved: string;
  /** The section of docs/runbook.md. */
  readonly runbook: string;
}

const MINUTE_MS = 60_000;
/** How far back find() looks. */
export const LONGEST_MS = 10 * MINUTE_MS;
/** What the watch has a condition of its own for. */
const OWN_CONDITION: ReadonlySet<AlarmKind> = new Set(["quarantined", "refused"]);

export const NO_TOTALS: Totals = {
  answers: 0,
  failures: 0,
  clicksDropped: 0,
  alarms: Object.fromEntries(ALARM_KINDS.map((kind) => [kind, 0])) as Record<AlarmKind, number>,
};

export const CONDITIONS: readonly Condition[] = [
  {
    name: "database_down",
    severity: "page",
    forMs: LIMITS.alertDatabaseMs,
    // The first replica whose database is back resolves it for all: one that is cut off still says so soon.
    remindMs: LIMITS.alertSharedRemindMs,
    isShared: true,
    find: ({ isDatabaseSilent }) =>
      isDatabaseSilent ? "the database does not answer; changes fail, known links redirect from memory" : null,
    resolved: "the database answers again",
    runbook: "DeadletterOutage",
  },
  {
    name: "error_rate",
    severity: "page",
    forMs: 0,
    remindMs: LIMITS.alertRemindMs,
    isShared: false,
    find({ totals }, ago) {
      if (!totals) return undefined;
      const before = ago(MINUTE_MS);
      const [answers, failures] = [totals.answers - before.answers, totals.failures - before.failures];
      if (failures < LIMITS.alertLeastErrors || failures < answers * LIMITS.alertErrorShare) return null;
      return `${failures} of ${answers} requests of the last minute failed`;
    },
    resolved: "requests are answered again",
    runbook: "DeadletterApiAvailability",
  },
  {
    name: "log_refused",
    severity: "page",
    forMs: 30_000,
    remindMs: LIMITS.alertRemindMs,
    // Each host remembers a checkpoint of its own.
    isShared: false,
    find: ({ isRefused }) =>
      isRefused === true
        ? "the stored log is not one that this server would vouch for; see: deadletter log status"
        : isRefused === false
          ? null
          : undefined,
    resolved: "the stored log is vouched for again",
    runbook: "DeadletterLogRefused",
  },
  {
    name: "log_quarantine",
    severity: "page",
    forMs: 0,
    remindMs: LIMITS.alertRemindMs,
    isShared: true,
    find({ quarantined }) {
      if (quarantined === undefined) return undefined;
      return quarantined > 0 ? `${quarantined} false events are kept out of the log; see: deadletter log status` : null;
    },
    resolved: "no event is in quarantine any more",
    runbook: "DeadletterLogQuarantine",
  },
  ...ALARM_KINDS.filter((kind) => !OWN_CONDITION.has(kind)).map(
    (kind): Condition => ({
      name: `log_alarm_${kind}`,
      severity: "page",
      forMs: 0,
      remindMs: LIMITS.alertRemindMs,
      isShared: false,
      find({ totals }, ago) {
        const count = totals && totals.alarms[kind] - ago(LONGEST_MS).alarms[kind];
        if (count === undefined) return undefined;
        return count > 0 ? `the audit log raised ${count} alarms "${kind}"; its log lines say of what` : null;
      },
      resolved: "no further alarm of the kind for ten minutes",
      runbook: "DeadletterLogAlarm",
    }),
  ),
  {
    name: "disk",
    severity: "page",
    forMs: MINUTE_MS,
    remindMs: LIMITS.alertRemindMs,
    isShared: false,
    find({ disk }) {
      if (!disk) return undefined;
      if (disk.freeBytes > disk.sizeBytes * LIMITS.alertDiskShare) return null;
      return `the disk of the data directory has ${Math.floor(disk.freeBytes / 2 ** 20)} MiB left`;
    },
    resolved: "the disk of the data directory has room again",
    runbook: "DeadletterDisk",
  },
  {
    name: "clicks_dropped",
    severity: "ticket",
    forMs: 0,
    remindMs: LIMITS.alertRemindMs,
    isShared: false,
    find({ totals }, ago) {
      const count = totals && totals.clicksDropped - ago(LONGEST_MS).clicksDropped;
      if (count === undefined) return undefined;
      return count > 0 ? `${count} clicks were lost` : null;
    },
    resolved: "no click was lost for ten minutes",
    runbook: "DeadletterClicksDropped",
  },
];
