// What the rules of `deadletter monitoring` may be told: each threshold once, with its flag, its unit and its default.

import { badRequest } from "../errors.ts";

export interface Threshold {
  readonly name: string;
  readonly flag: string;
  /** In help; also says the unit. */
  readonly help: string;
  readonly default: number;
  readonly least: number;
  readonly most: number;
}

const THRESHOLDS = {
  redirectAvailability: percent("redirect-availability", "redirects that must not fail", 99.95),
  redirectLatency: percent("redirect-latency", "redirects that must be answered within 10 ms", 99.9),
  apiAvailability: percent("api-availability", "API requests that must not fail", 99.9),
  logFreshness: percent(
    "log-freshness",
    "the time in which no event may wait longer for the log than --pending-seconds",
    99.9,
  ),
  clickLoss: percent("clicks-kept", "clicks that must be recorded", 99.9),
  pendingSeconds: amount("pending-seconds", "seconds an event may wait for the log", 5, 86_400),
  leastEvents: amount("least-events", "requests in an alert's long window below which it says nothing", 100, 1e9),
  diskFreePercent: percent("disk-free", "the data directory's disk that must be free", 10),
  walMegabytes: amount("wal-megabytes", "MiB of write-ahead log of the embedded store", 512, 1e6),
  consumerLag: amount("consumer-lag", "entries a durable consumer may be behind", 10_000, 1e9),
  replicationLagSeconds: amount("replication-lag", "seconds a PostgreSQL standby may be behind", 30, 86_400),
  standbys: amount("standbys", "standbys that the database must have; 0: as many as in the last day", 0, 100),
  badKeysPerMinute: amount("bad-keys", "requests a minute refused for bad keys", 600, 1e9),
  verifyHours: amount(
    "verify-hours",
    "hours within which deadletter verify must have run, where it ever has",
    26,
    10_000,
  ),
} as const satisfies Record<string, Omit<Threshold, "name">>;

export type Thresholds = Readonly<Record<keyof typeof THRESHOLDS, number>>;

export const THRESHOLD_LIST: readonly Threshold[] = Object.entries(THRESHOLDS).map(([name, rest]) => ({
  name,
  ...rest,
}));

export const DEFAULT_THRESHOLDS: Thresholds = readThresholds(() => undefined);

/** `textOf` gives what was said for a flag. Throws bad_request for what is not a number of its range. */
export function readThresholds(textOf: (flag: string) => string | undefined): Thresholds {
  const read = ({ flag, default: otherwise, least, most }: Threshold): number => {
    const text = textOf(flag);
    if (text === undefined) return otherwise;
    const value = Number(text);
    if (!/^\d{1,10}(?:\.\d{1,6})?$/.test(text) || value < least || value > most)
      throw badRequest(`--${flag}: must be a number from ${least} to ${most}`);
    return value;
  };
  return Object.fromEntries(THRESHOLD_LIST.map((each) => [each.name, read(each)])) as Thresholds;
}

function percent(flag: string, help: string, otherwise: number): Omit<Threshold, "name"> {
  return { flag, help: `percent of ${help}`, default: otherwise, least: 0, most: 99.9999 };
}

function amount(flag: string, help: string, otherwise: number, most: number): Omit<Threshold, "name"> {
  return { flag, help, default: otherwise, least: 0, most };
}
