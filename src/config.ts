// Every setting, once: its flag, its environment variable, its default, how it is read. Flag > environment > default.
// Secrets come from the environment or from a file named by `*_FILE`, never from argv.

import { readFileSync } from "node:fs";
import { badRequest, messageOf } from "./errors.ts";
import { LOG_LEVELS, type LogLevel } from "./log.ts";

export interface Config {
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly adminListen: { readonly host: string; readonly port: number } | undefined;
  readonly baseUrl: string | undefined;
  readonly logKey: string | undefined;
  readonly adminKey: string | undefined;
  readonly migrate: boolean;
  readonly logLevel: LogLevel;
  readonly poolSize: number;
  readonly databaseDeadlineMs: number;
  readonly pgbouncer: boolean;
  readonly shutdownGraceMs: number;
  readonly drainMs: number;
  readonly workers: number;
  readonly cacheEntries: number;
  readonly cacheMissing: number;
  readonly cacheMegabytes: number;
  /** Both in milliseconds. */
  readonly cacheStaleMax: number;
  readonly cacheOutage: number;
  readonly clickRetentionDays: number;
  readonly server: string | undefined;
  readonly key: string | undefined;
}

export type SettingName = keyof Config;

export interface Setting {
  readonly name: SettingName;
  /** Without a flag a setting cannot be given on the command line: it is a secret. */
  readonly flag?: string;
  readonly env: string;
  /** A second variable that names a file holding the value. */
  readonly fileEnv?: string;
  readonly isSecret?: boolean;
  readonly isBoolean?: boolean;
  readonly help: string;
  /** As text, or derived from settings before it in this table. */
  readonly default?: string | ((config: Partial<Config>) => string);
  readonly read: (text: string) => unknown;
}

export const SETTINGS: readonly Setting[] = [
  {
    name: "databaseUrl",
    flag: "database-url",
    env: "DATABASE_URL",
    fileEnv: "DATABASE_URL_FILE",
    isSecret: true,
    read: readDatabaseUrl,
    help: "PostgreSQL to use; without it an embedded SQLite file in the data directory",
  },
  {
    name: "dataDir",
    flag: "data-dir",
    env: "DEADLETTER_DATA_DIR",
    default: "./data",
    read: (text) => text,
    help: "holds the embedded store and the log key",
  },
  {
    name: "host",
    flag: "host",
    env: "HOST",
    default: ({ databaseUrl }) => (databaseUrl === undefined ? "127.0.0.1" : "0.0.0.0"),
    read: (text) => text,
    help: "address to listen on",
  },
  {
    name: "port",
    flag: "port",
    env: "PORT",
    default: "5000",
    read: readInteger(0, 65_535),
    help: "port to listen on; 0 takes a free one",
  },
  {
    name: "adminListen",
    flag: "admin-listen",
    env: "ADMIN_LISTEN",
    read: readListen,
    help: "host:port for the API; the main listener then answers only public routes",
  },
  {
    name: "baseUrl",
    flag: "base-url",
    env: "DEADLETTER_BASE_URL",
    read: readBaseUrl,
    help: "where the public reaches redirects, such as https://go.example.com",
  },
  {
    name: "logKey",
    env: "DEADLETTER_LOG_KEY",
    fileEnv: "DEADLETTER_LOG_KEY_FILE",
    isSecret: true,
    read: (text) => text,
    help: "the audit log's key (deadletter log keygen)",
  },
  {
    name: "adminKey",
    env: "DEADLETTER_ADMIN_KEY",
    fileEnv: "DEADLETTER_ADMIN_KEY_FILE",
    isSecret: true,
    read: (text) => text,
    help: "the first admin's key on an empty store",
  },
  {
    name: "migrate",
    flag: "migrate",
    env: "DEADLETTER_MIGRATE",
    isBoolean: true,
    default: ({ databaseUrl }) => String(databaseUrl === undefined),
    read: readBoolean,
    help: "bring an older schema up to date at start",
  },
  {
    name: "logLevel",
    flag: "log-level",
    env: "LOG_LEVEL",
    default: "info",
    read: readLogLevel,
    help: LOG_LEVELS.join(", "),
  },
  {
    name: "poolSize",
    flag: "pool-size",
    env: "DEADLETTER_POOL_SIZE",
    default: "10",
    read: readInteger(1, 500),
    help: "PostgreSQL connections of this process",
  },
  {
    name: "databaseDeadlineMs",
    flag: "database-deadline-ms",
    env: "DEADLETTER_DATABASE_DEADLINE_MS",
    default: "5000",
    read: readInteger(100, 600_000),
    help: "longest a database call may take, milliseconds",
  },
  {
    name: "pgbouncer",
    flag: "pgbouncer",
    env: "DEADLETTER_PGBOUNCER",
    isBoolean: true,
    default: "false",
    read: readBoolean,
    help: "DATABASE_URL is a transaction pooler such as PgBouncer",
  },
  {
    name: "shutdownGraceMs",
    flag: "shutdown-grace-ms",
    env: "DEADLETTER_SHUTDOWN_GRACE_MS",
    default: "0",
    read: readInteger(0, 600_000),
    help: "after SIGTERM, how long to go on serving while /readyz says 503",
  },
  {
    name: "drainMs",
    flag: "drain-ms",
    env: "DEADLETTER_DRAIN_MS",
    default: "10000",
    read: readInteger(0, 600_000),
    help: "how long open requests may take to finish after that",
  },
  {
    name: "workers",
    flag: "workers",
    env: "DEADLETTER_WORKERS",
    default: "1",
    read: readInteger(1, 64),
    help: "processes that serve on the one port, on PostgreSQL; each has a pool and a cache of its own",
  },
  {
    name: "cacheEntries",
    flag: "cache-entries",
    env: "DEADLETTER_CACHE_ENTRIES",
    default: "1000000",
    read: readInteger(0, 100_000_000),
    help: "links kept in memory for redirects at the most; 0 keeps none",
  },
  {
    name: "cacheMissing",
    flag: "cache-missing",
    env: "DEADLETTER_CACHE_MISSING",
    default: "100000",
    read: readInteger(0, 10_000_000),
    help: "codes remembered to belong to no link at the most",
  },
  {
    name: "cacheMegabytes",
    flag: "cache-megabytes",
    env: "DEADLETTER_CACHE_MEGABYTES",
    default: "512",
    read: readInteger(0, 1_000_000),
    help: "memory for those links at the most, MiB",
  },
  {
    name: "cacheStaleMax",
    flag: "cache-stale-max",
    env: "DEADLETTER_CACHE_STALE_MAX",
    default: "1s",
    read: readDuration(100, 60_000),
    help: "longest a change made elsewhere may go unnoticed; a process that has not heard from the log for longer asks the store",
  },
  {
    name: "cacheOutage",
    flag: "cache-outage",
    env: "DEADLETTER_CACHE_OUTAGE",
    default: "10m",
    read: readDuration(0, 86_400_000),
    help: "how long known links go on redirecting while the database is down; 0 turns it off",
  },
  {
    name: "clickRetentionDays",
    flag: "click-retention-days",
    env: "DEADLETTER_CLICK_RETENTION_DAYS",
    default: "90",
    read: readInteger(0, 36_500),
    help: "how long clicks are kept by hour, referrer and device; totals stay for ever; 0 keeps all",
  },
  {
    name: "server",
    flag: "server",
    env: "DEADLETTER_SERVER",
    read: readBaseUrl,
    help: "a running deadletter to talk to; without it, the configured store directly",
  },
  {
    name: "key",
    env: "DEADLETTER_KEY",
    fileEnv: "DEADLETTER_KEY_FILE",
    isSecret: true,
    read: (text) => text,
    help: "API key of the client commands",
  },
];

export type Origin = "flag" | "environment" | "file" | "default" | "unset";

export interface LoadedConfig {
  readonly config: Config;
  readonly origins: Readonly<Record<SettingName, Origin>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws bad_request naming the flag or variable that is unknown, malformed or unreadable. */
export function loadConfig(
  environment: Environment,
  flags: Readonly<Record<string, string | boolean>> = {},
): LoadedConfig {
  refuseUnknown(environment);
  const config: Partial<Record<SettingName, unknown>> = {};
  const origins: Partial<Record<SettingName, Origin>> = {};
  for (const setting of SETTINGS) {
    const { text, origin, label } = findValue(setting, environment, flags, config as Partial<Config>);
    origins[setting.name] = origin;
    try {
      config[setting.name] = text === undefined ? undefined : setting.read(text);
    } catch (error) {
      throw badRequest(`${label}: ${messageOf(error)}`, "see: deadletter config --help");
    }
  }
  return { config: config as unknown as Config, origins: origins as Record<SettingName, Origin> };
}

function findValue(
  setting: Setting,
  environment: Environment,
  flags: Readonly<Record<string, string | boolean>>,
  soFar: Partial<Config>,
): { text: string | undefined; origin: Origin; label: string } {
  const flag = setting.flag === undefined ? undefined : flags[setting.flag];
  if (flag !== undefined) {
    const text = String(flag);
    if (setting.name === "databaseUrl" && URL.parse(text)?.password)
      throw badRequest(
        "--database-url: must not contain a password, which every user of this host could read",
        "use DATABASE_URL or DATABASE_URL_FILE",
      );
    return { text, origin: "flag", label: `--${setting.flag}` };
  }
  const direct = environment[setting.env];
  const file = setting.fileEnv === undefined ? undefined : environment[setting.fileEnv];
  if (direct && file) throw badRequest(`${setting.env} and ${setting.fileEnv} are both set`, "unset one of them");
  if (direct) return { text: direct, origin: "environment", label: setting.env };
  if (file) return { text: readSecretFile(setting.fileEnv ?? "", file), origin: "file", label: setting.fileEnv ?? "" };
  const fallback = typeof setting.default === "function" ? setting.default(soFar) : setting.default;
  return { text: fallback, origin: fallback === undefined ? "unset" : "default", label: setting.env };
}

function readSecretFile(variable: string, path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw badRequest(`${variable}: cannot read ${path}: ${messageOf(error)}`);
  }
}

function refuseUnknown(environment: Environment): void {
  const known = SETTINGS.flatMap((setting) => [setting.env, setting.fileEnv ?? ""]);
  for (const name of Object.keys(environment)) {
    if (!name.startsWith("DEADLETTER_") || known.includes(name)) continue;
    const near = known.find((other) => other.startsWith("DEADLETTER_") && editDistance(other, name) <= 3);
    throw badRequest(
      `unknown environment variable ${name}`,
      near === undefined ? "see: deadletter config --help" : `did you mean ${near}?`,
    );
  }
}

/** Levenshtein distance: for telling a typing error from a stranger. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current[j] = Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1);
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

function readInteger(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || value < least || value > most)
      throw new RangeError(`${JSON.stringify(text)} is not an integer from ${least} to ${most}`);
    return value;
  };
}

/** Milliseconds from `500ms`, `1s`, `10m`, `2h` or a bare 0. */
function readDuration(leastMs: number, mostMs: number): (text: string) => number {
  return (text) => {
    const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text === "0" ? "0ms" : text);
    const ms = Number(match?.[1]) * (UNITS_MS[match?.[2] ?? ""] ?? Number.NaN);
    if (!(ms >= leastMs && ms <= mostMs))
      throw new RangeError(
        `${JSON.stringify(text)} is not a duration such as 500ms, 1s or 10m, from ${leastMs}ms to ${mostMs}ms`,
      );
    return ms;
  };
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function readBoolean(text: string): boolean {
  const lower = text.toLowerCase();
  if (["true", "1", "yes", "on"].includes(lower)) return true;
  if (["false", "0", "no", "off"].includes(lower)) return false;
  throw new RangeError(`${JSON.stringify(text)} is neither true nor false`);
}

function readLogLevel(text: string): LogLevel {
  const level = text.toLowerCase() as LogLevel;
  if (!LOG_LEVELS.includes(level))
    throw new RangeError(`${JSON.stringify(text)} is not one of ${LOG_LEVELS.join(", ")}`);
  return level;
}

/** The message never repeats the text: it may hold a password. */
function readDatabaseUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^postgres(ql)?:$/.test(url.protocol))
    throw new RangeError("must be a PostgreSQL address such as postgres://user@host:5432/database");
  try {
    decodeURIComponent(url.username + url.password + url.pathname);
  } catch {
    throw new RangeError("has a % that is not part of an escape; in a user name or password write it as %25");
  }
  return text;
}

function readBaseUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "" || url.username !== "")
    throw new RangeError(
      `${text.includes("@") ? "it" : JSON.stringify(text)} is not an address such as https://go.example.com`,
    );
  return url.href.replace(/\/+$/, "");
}

function readListen(text: string): { host: string; port: number } {
  const match = /^(.+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65_535) throw new RangeError(`${JSON.stringify(text)} is not host:port, such as 127.0.0.1:5001`);
  return { host: (match[1] ?? "").replace(/^\[(.*)\]$/, "$1"), port };
}

/** What readListen reads. */
export function formatListen({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** A listen address as it stands in a URL: a wildcard is reached on this host, IPv6 in brackets (RFC 3986 section 3.2.2). */
export function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

/** What a person may be shown: secrets hidden, a database address without its password. */
export function describeValue(setting: Setting, value: unknown): string {
  if (value === undefined) return "";
  if (setting.name === "databaseUrl") {
    const url = URL.parse(String(value));
    if (!url) return "(hidden)";
    if (url.password !== "") url.password = "hidden";
    url.search = "";
    return url.href;
  }
  if (setting.isSecret) return "(hidden)";
  if (setting.name === "adminListen") return formatListen(value as { host: string; port: number });
  return String(value);
}
