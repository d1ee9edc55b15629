// What is watched without Prometheus: the closed list of conditions, each decided from what a process knows of itself. Pure.

import { LIMITS } from "../limits.ts";
import type { DiskSpace } from "../runtime/disk.ts";

/** What a process knows at one moment. */
export interface Snapshot {
  readonly atMs: number;
  readonly isDatabaseSilent: boolean;
  readonly isRefused: boolean;
  /** Undefined while the store does not answer. */
  readonly quarantined: number | undefined;
  /** Redirects and API requests answered since the start, and those of them answered 5xx. */
  readonly answers: { readonly total: number; readonly failed: number };
  readonly clicksDropped: number;
  /** Alarms of the audit log since the start. */
  readonly alarms: number;
  readonly disk: DiskSpace | undefined;
}

export interface Condition {
  readonly name: string;
  readonly severity: "page" | "ticket";
  /** How long it must hold before anybody is told. */
  readonly forMs: number;
  /** Whether every replica sees the same: then they all send it under one key. */
  readonly isShared: boolean;
  /** What is wrong, in one line; undefined where nothing is. `ago` is the snapshot of so many milliseconds before, or the oldest. */
  readonly find: (now: Snapshot, ago: (ms: number) => Snapshot) => string | undefined;
  readonly resolved: string;
}

const MINUTE_MS = 60_000;

export const CONDITIONS: readonly Condition[] = [
  {
    name: "database_down",
    severity: "page",
    forMs: LIMITS.alertDatabaseMs,
    isShared: true,
    find: ({ isDatabaseSilent }) =>
      isDatabaseSilent ? "the database does not answer; changes fail, known links redirect from memory" : undefined,
    resolved: "the database answers again",
  },
  {
    name: "error_rate",
    severity: "page",
    forMs: 0,
    isShared: false,
    find({ answers }, ago) {
      const before = ago(MINUTE_MS).answers;
      const [total, failed] = [answers.total - before.total, answers.failed - before.failed];
      if (failed < LIMITS.alertLeastErrors || failed < total * LIMITS.alertErrorShare) return undefined;
      return `${failed} of ${total} requests of the last minute failed`;
    },
    resolved: "requests are answered again",
  },
  {
    name: "log_refused",
    severity: "page",
    forMs: 30_000,
    isShared: true,
    find: ({ isRefused }) =>
      isRefused ? "the stored log is not one that this server would vouch for; see: deadletter log status" : undefined,
    resolved: "the stored log is vouched for again",
  },
  {
    name: "log_quarantine",
    severity: "page",
    forMs: 0,
    isShared: true,
    find: ({ quarantined = 0 }) =>
      quarantined > 0 ? `${quarantined} false events are kept out of the log; see: deadletter log status` : undefined,
    resolved: "no event is in quarantine any more",
  },
  {
    name: "log_alarm",
    severity: "page",
    forMs: 0,
    isShared: false,
    find({ alarms }, ago) {
      const count = alarms - ago(10 * MINUTE_MS).alarms;
      return count > 0
        ? `something in the audit log was found false or stuck (${count} alarms); the log lines say what`
        : undefined;
    },
    resolved: "no further alarm for ten minutes",
  },
  {
    name: "disk",
    severity: "page",
    forMs: MINUTE_MS,
    isShared: false,
    find({ disk }) {
      if (!disk || disk.freeBytes > disk.sizeBytes * LIMITS.alertDiskShare) return undefined;
      return `the disk of the data directory has ${Math.floor(disk.freeBytes / 2 ** 20)} MiB left`;
    },
    resolved: "the disk of the data directory has room again",
  },
  {
    name: "clicks_dropped",
    severity: "ticket",
    forMs: 0,
    isShared: false,
    find({ clicksDropped }, ago) {
      const count = clicksDropped - ago(10 * MINUTE_MS).clicksDropped;
      return count > 0 ? `${count} clicks were lost` : undefined;
    },
    resolved: "no click was lost for ten minutes",
  },
];

/** How far back find() may look. */
export const LONGEST_MS = 10 * MINUTE_MS;
