// Every setting, once: its flag, its environment variable, its default, how it is read.
// Secrets come from the environment or from a file named by `*_FILE`, never from argv.

import { LOG_LEVELS, type LogFormat, type LogLevel } from "../runtime/logger.ts";
import { describeProtection, parseDatabaseUrl, placeOf } from "./database-url.ts";
import {
  describeRedirectLines,
  formatListen,
  readBaseUrl,
  readBoolean,
  readChoice,
  readColor,
  readDatabaseUrl,
  readDuration,
  readHosts,
  readInteger,
  readListen,
  readLogLevel,
  readNetworks,
  readPageName,
  readProfileName,
  readRedirectLines,
  readTarget,
  readWebhook,
} from "./parse.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** One of how many redirects that did not fail is logged; 0 for none. */
export interface RedirectLines {
  readonly oneOf: number;
}

export interface Config {
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly adminListen: Address | undefined;
  readonly metricsListen: Address | undefined;
  readonly baseUrl: string | undefined;
  readonly ownHosts: readonly string[];
  readonly pages: boolean;
  readonly preview: boolean;
  readonly homeUrl: string | undefined;
  readonly pageName: string;
  readonly pageColor: string;
  readonly profile: string | undefined;
  readonly logKey: string | undefined;
  readonly adminKey: string | undefined;
  readonly migrate: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: "auto" | LogFormat;
  readonly logRedirects: RedirectLines;
  readonly poolSize: number;
  readonly walMegabytes: number;
  readonly waitForDatabase: number;
  readonly databaseDeadlineMs: number;
  readonly pgbouncer: boolean;
  readonly trustedProxies: readonly string[];
  readonly logClient: "full" | "network" | "none";
  readonly auditClient: boolean;
  /** Each a minute; 0 for no limit. */
  readonly limitBadKeys: number;
  readonly limitProofs: number;
  readonly limitChanges: number;
  readonly limitRedirects: number;
  readonly shutdownGraceMs: number;
  readonly drainMs: number;
  readonly workers: number;
  readonly maxConnections: number;
  readonly cacheEntries: number;
  readonly cacheMissing: number;
  readonly cacheMegabytes: number;
  /** Both in milliseconds. */
  readonly cacheStaleMax: number;
  readonly cacheOutage: number;
  readonly keyOutage: number;
  readonly refusedWrites: "allow" | "deny";
  readonly clickRetentionDays: number;
  readonly clickReferrers: number;
  readonly alertWebhook: string | undefined;
  readonly alertFormat: "auto" | "generic" | "slack" | "discord" | "ntfy";
  readonly alertCooldown: number;
  readonly server: string | undefined;
  readonly key: string | undefined;
  readonly importKey: string | undefined;
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
    help: "PostgreSQL URL; without it, an embedded SQLite file in the data directory",
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
    help: "port to listen on; 0 picks a free one",
  },
  {
    name: "adminListen",
    flag: "admin-listen",
    env: "ADMIN_LISTEN",
    read: readListen,
    help: "host:port for the API; the main listener then answers only public routes",
  },
  {
    name: "metricsListen",
    flag: "metrics-listen",
    env: "DEADLETTER_METRICS_LISTEN",
    read: readListen,
    help: "host:port that answers /metrics, /livez and /readyz without a key",
  },
  {
    name: "baseUrl",
    flag: "base-url",
    env: "DEADLETTER_BASE_URL",
    read: readBaseUrl,
    help: "where the public reaches redirects, such as https://go.example.com",
  },
  {
    name: "ownHosts",
    flag: "own-hosts",
    env: "DEADLETTER_OWN_HOSTS",
    default: "",
    read: readHosts,
    help: "this server's other names, such as go.example.com,go; links to them are refused",
  },
  {
    name: "pages",
    flag: "pages",
    env: "DEADLETTER_PAGES",
    isBoolean: true,
    default: "false",
    read: readBoolean,
    help: "give browsers a page, and not JSON, for a link that leads nowhere",
  },
  {
    name: "preview",
    flag: "preview",
    env: "DEADLETTER_PREVIEW",
    isBoolean: true,
    default: "true",
    read: readBoolean,
    help: "show people who put a + behind a link where it leads",
  },
  {
    name: "homeUrl",
    flag: "home-url",
    env: "DEADLETTER_HOME_URL",
    read: readTarget,
    help: "where / sends people; without it, / is a page that says what this is",
  },
  {
    name: "pageName",
    flag: "page-name",
    env: "DEADLETTER_PAGE_NAME",
    default: "deadletter",
    read: readPageName,
    help: "what the pages call this server",
  },
  {
    name: "pageColor",
    flag: "page-color",
    env: "DEADLETTER_PAGE_COLOR",
    default: "#b3261e",
    read: readColor,
    help: "the pages' one color, #rrggbb",
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
    help: "update an older schema at start",
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
    name: "logFormat",
    flag: "log-format",
    env: "DEADLETTER_LOG_FORMAT",
    default: "auto",
    read: readChoice("auto", "json", "pretty"),
    help: "log lines as json, or pretty for people; auto: pretty on a terminal",
  },
  {
    name: "logRedirects",
    flag: "log-redirects",
    env: "DEADLETTER_LOG_REDIRECTS",
    default: "errors",
    read: readRedirectLines,
    help: "which redirects get a log line: all, sampled:N (one of N, and errors), or errors",
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
    name: "walMegabytes",
    flag: "wal-megabytes",
    env: "DEADLETTER_WAL_MEGABYTES",
    default: "64",
    read: readInteger(1, 100_000),
    help: "size at which the embedded store's write-ahead log restarts, MiB",
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
    name: "waitForDatabase",
    flag: "wait-for-database",
    env: "DEADLETTER_WAIT_FOR_DATABASE",
    default: "0",
    read: readDuration(0, 3_600_000),
    help: "how long to wait at start for a database that does not answer, such as 60s",
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
    name: "trustedProxies",
    flag: "trusted-proxies",
    env: "DEADLETTER_TRUSTED_PROXIES",
    default: "",
    read: readNetworks,
    help: "proxy networks, such as 10.0.0.0/8, whose X-Forwarded-For or Forwarded is believed",
  },
  {
    name: "logClient",
    flag: "log-client",
    env: "DEADLETTER_LOG_CLIENT",
    default: "full",
    read: readChoice("full", "network", "none"),
    help: "how request log lines show the client: full address, network (/24, /48), or none",
  },
  {
    name: "auditClient",
    flag: "audit-client",
    env: "DEADLETTER_AUDIT_CLIENT",
    default: "false",
    isBoolean: true,
    read: readBoolean,
    help: "keep the client's address in each event's actor; an erasure removes it",
  },
  {
    name: "limitBadKeys",
    flag: "limit-bad-keys",
    env: "DEADLETTER_LIMIT_BAD_KEYS",
    default: "30",
    read: readInteger(0, 1_000_000),
    help: "invalid keys per minute and client; 0 for no limit",
  },
  {
    name: "limitProofs",
    flag: "limit-proofs",
    env: "DEADLETTER_LIMIT_PROOFS",
    default: "6000",
    read: readInteger(0, 10_000_000),
    help: "public proofs and tiles per minute and client; 0 for no limit",
  },
  {
    name: "limitChanges",
    flag: "limit-changes",
    env: "DEADLETTER_LIMIT_CHANGES",
    default: "0",
    read: readInteger(0, 10_000_000),
    help: "changes per minute and key; 0 for no limit",
  },
  {
    name: "limitRedirects",
    flag: "limit-redirects",
    env: "DEADLETTER_LIMIT_REDIRECTS",
    default: "0",
    read: readInteger(0, 10_000_000),
    help: "redirects per minute and client; 0 for no limit",
  },
  {
    name: "shutdownGraceMs",
    flag: "shutdown-grace-ms",
    env: "DEADLETTER_SHUTDOWN_GRACE_MS",
    default: "0",
    read: readInteger(0, 600_000),
    help: "after SIGTERM, how long to keep serving while /readyz says 503",
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
    help: "processes that share the port (PostgreSQL only); each has its own pool and cache",
  },
  {
    name: "maxConnections",
    flag: "max-connections",
    env: "DEADLETTER_MAX_CONNECTIONS",
    default: "0",
    read: readInteger(0, 10_000_000),
    help: "maximum connections per process; 0 for as many as its open-file limit allows",
  },
  {
    name: "cacheEntries",
    flag: "cache-entries",
    env: "DEADLETTER_CACHE_ENTRIES",
    default: "1000000",
    read: readInteger(0, 100_000_000),
    help: "maximum links cached for redirects; 0 caches none",
  },
  {
    name: "cacheMissing",
    flag: "cache-missing",
    env: "DEADLETTER_CACHE_MISSING",
    default: "100000",
    read: readInteger(0, 10_000_000),
    help: "maximum unknown codes remembered",
  },
  {
    name: "cacheMegabytes",
    flag: "cache-megabytes",
    env: "DEADLETTER_CACHE_MEGABYTES",
    default: "512",
    read: readInteger(0, 1_000_000),
    help: "maximum memory for cached links, MiB",
  },
  {
    name: "cacheStaleMax",
    flag: "cache-stale-max",
    env: "DEADLETTER_CACHE_STALE_MAX",
    default: "1s",
    read: readDuration(100, 60_000),
    help: "longest a change made elsewhere may go unnoticed; past it a process asks the store",
  },
  {
    name: "cacheOutage",
    flag: "cache-outage",
    env: "DEADLETTER_CACHE_OUTAGE",
    default: "10m",
    read: readDuration(0, 86_400_000),
    help: "how long known links keep redirecting while the database is down; 0 turns it off",
  },
  {
    name: "keyOutage",
    flag: "key-outage",
    env: "DEADLETTER_KEY_OUTAGE",
    default: ({ cacheOutage }) => `${cacheOutage}ms`,
    read: readDuration(0, 86_400_000),
    help: "how long a valid key may keep reading while the database is down; by default as long as links redirect",
  },
  {
    name: "refusedWrites",
    flag: "refused-writes",
    env: "DEADLETTER_REFUSED_WRITES",
    default: "deny",
    read: readChoice("allow", "deny"),
    help: "allow or deny changes while the stored log is refused",
  },
  {
    name: "clickRetentionDays",
    flag: "click-retention-days",
    env: "DEADLETTER_CLICK_RETENTION_DAYS",
    default: "90",
    read: readInteger(0, 36_500),
    help: "how long clicks are kept by hour, referrer and device; totals are kept forever; 0 keeps all",
  },
  {
    name: "clickReferrers",
    flag: "click-referrers",
    env: "DEADLETTER_CLICK_REFERRERS",
    default: "100",
    read: readInteger(0, 10_000),
    help: "referring hosts counted separately per link, hour and process; the rest count as `other`",
  },
  {
    name: "alertWebhook",
    env: "DEADLETTER_ALERT_WEBHOOK",
    fileEnv: "DEADLETTER_ALERT_WEBHOOK_FILE",
    isSecret: true,
    read: readWebhook,
    help: "address that alerts are posted to",
  },
  {
    name: "alertFormat",
    flag: "alert-format",
    env: "DEADLETTER_ALERT_FORMAT",
    default: "auto",
    read: readChoice("auto", "generic", "slack", "discord", "ntfy"),
    help: "what the webhook is posted: generic (JSON), slack, discord or ntfy; auto: by its host",
  },
  {
    name: "alertCooldown",
    flag: "alert-cooldown",
    env: "DEADLETTER_ALERT_COOLDOWN",
    default: "5m",
    read: readDuration(0, 86_400_000),
    help: "least time between two messages that the same thing is wrong",
  },
  {
    name: "server",
    flag: "server",
    env: "DEADLETTER_SERVER",
    read: readBaseUrl,
    help: "URL of a running deadletter; without it, the configured store directly",
  },
  {
    name: "profile",
    flag: "profile",
    env: "DEADLETTER_PROFILE",
    read: readProfileName,
    help: "a server and its key, as deadletter login has kept them",
  },
  {
    name: "importKey",
    env: "DEADLETTER_IMPORT_KEY",
    fileEnv: "DEADLETTER_IMPORT_KEY_FILE",
    isSecret: true,
    read: (text) => text,
    help: "another product's API key, or signature, for an import from its server",
  },
  {
    name: "key",
    env: "DEADLETTER_KEY",
    fileEnv: "DEADLETTER_KEY_FILE",
    isSecret: true,
    read: (text) => text,
    help: "API key for client commands",
  },
];

/** What a person may be shown: secrets hidden, a database address without its password. */
export function describeValue(setting: Setting, value: unknown): string {
  if (value === undefined) return "";
  if (setting.name === "databaseUrl") {
    const address = parseDatabaseUrl(String(value));
    const login = `${address.user ?? ""}${address.password === undefined ? "" : ":hidden"}`;
    return `postgres://${login === "" ? "" : `${login}@`}${placeOf(address)} (${describeProtection(address)})`;
  }
  if (setting.isSecret) return "(hidden)";
  if (setting.name === "logRedirects") return describeRedirectLines(value as RedirectLines);
  if (typeof value === "object" && value !== null && "port" in value) return formatListen(value as Address);
  return String(value);
}
