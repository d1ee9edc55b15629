// What doctor looks at where the store is: this host's settings, files and limits, the database itself, and the log.

import { existsSync, readFileSync, statSync } from "node:fs";
import { logKeyPath } from "../app/log-key-file.ts";
import { embeddedPath, hasStore, openStore } from "../app/open-store.ts";
import { describeProtection, isExposed, parseDatabaseUrl } from "../config/database-url.ts";
import { SETTINGS } from "../config/settings.ts";
import { LIMITS } from "../limits.ts";
import { isLoopback } from "../model/target.ts";
import { systemClock } from "../runtime/clock.ts";
import { diskSpace } from "../runtime/disk.ts";
import { GENERATION, readStoreGeneration } from "../store/generation.ts";
import { schemaStatus } from "../store/migrate.ts";
import type { Inspection, Store } from "../store/store.ts";
import { withClient } from "./client.ts";
import type { Input } from "./command.ts";
import { attempt, type Finding, failed, ok, warning } from "./doctor-finding.ts";
import { checkLogStatus } from "./doctor-server.ts";
import { byteCount, thousands } from "./text.ts";

export async function checkHost(input: Input): Promise<readonly Finding[]> {
  const found = [
    checkSettings(input),
    ...checkPermissions(input),
    checkDisk(input),
    checkFileLimit(),
    ...checkProxies(input),
  ];
  if (!hasStore(input.config))
    return [
      ...found,
      failed(
        "database",
        `there is no store in ${input.config.dataDir}`,
        "start one with deadletter serve, or set DATABASE_URL",
      ),
    ];
  const ofStore = await attempt("database", async () => {
    const store = await openStore(input.config);
    try {
      return [...(await checkDatabase(input, store)), ...(await attempt("schema", () => checkSchema(store)))];
    } finally {
      await store.close();
    }
  });
  const ofLog = ofStore.some(({ verdict }) => verdict === "failed") ? [] : await attempt("log", () => readLog(input));
  return [...found, ...ofStore, ...ofLog];
}

function checkSettings({ origins }: Input): Finding {
  const set = SETTINGS.filter(({ name }) => !["default", "unset"].includes(origins[name]));
  return ok("settings", `${set.length} of ${SETTINGS.length} are set here (deadletter config shows them)`);
}

function checkPermissions({ config }: Input): readonly Finding[] {
  const secrets = SETTINGS.flatMap(({ fileEnv }) => (fileEnv === undefined ? [] : (process.env[fileEnv] ?? [])));
  const files = [logKeyPath(config), embeddedPath(config), ...secrets].filter((path) => existsSync(path));
  const open = files.filter((path) => (statSync(path).mode & 0o077) !== 0);
  if (open.length > 0)
    return [failed("permissions", `others may read ${open.join(", ")}`, `chmod 600 ${open.join(" ")}`)];
  if (existsSync(config.dataDir) && (statSync(config.dataDir).mode & 0o077) !== 0)
    return [warning("permissions", `others may look into ${config.dataDir}`, `chmod 700 ${config.dataDir}`)];
  return [ok("permissions", `${files.length} files with secrets are for their owner alone`)];
}

function checkDisk({ config }: Input): Finding {
  const space = diskSpace(existsSync(config.dataDir) ? config.dataDir : ".");
  if (space === undefined) return warning("disk", "its free space cannot be told", "look at it with df");
  const detail = `${byteCount(space.freeBytes)} of ${byteCount(space.sizeBytes)} free at ${config.dataDir}`;
  const share = space.freeBytes / space.sizeBytes;
  if (share < LIMITS.diskShareLeast / 2) return failed("disk", detail, "make room: without it no change is taken");
  return share < LIMITS.diskShareLeast
    ? warning("disk", detail, "make room, or move the data directory")
    : ok("disk", detail);
}

function checkFileLimit(): Finding {
  // proc(5); elsewhere there is nothing to read.
  const text = existsSync("/proc/self/limits") ? readFileSync("/proc/self/limits", "utf8") : "";
  const limit = Number(/^Max open files\s+(\d+)/m.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(limit)) return ok("file limit", "not told by this system");
  const detail = `${thousands(limit)} open files, connections included`;
  return limit < LIMITS.openFilesLeast
    ? warning(
        "file limit",
        detail,
        `raise it to ${LIMITS.openFilesLeast} or more: ulimit -n, or LimitNOFILE in the unit`,
      )
    : ok("file limit", detail);
}

function checkProxies({ config, origins }: Input): readonly Finding[] {
  const { host, trustedProxies, baseUrl } = config;
  if (isLoopback(host)) {
    const isBehind = baseUrl !== undefined && !isLoopback(new URL(baseUrl).hostname);
    return isBehind && trustedProxies.length === 0
      ? [
          warning(
            "proxies",
            `links are at ${baseUrl}, behind a proxy that is not trusted: every visitor has its address`,
            "name the proxy in DEADLETTER_TRUSTED_PROXIES, such as 127.0.0.1",
          ),
        ]
      : [
          ok(
            "proxies",
            trustedProxies.length === 0
              ? "none trusted, and none seems to be there"
              : `${trustedProxies.length} trusted`,
          ),
        ];
  }
  if (origins.baseUrl === "unset")
    return [
      warning(
        "proxies",
        `it listens on ${host} and does not know where the public reaches it`,
        "set DEADLETTER_BASE_URL to the address of your links",
      ),
    ];
  return [ok("proxies", `links are at ${baseUrl}; ${trustedProxies.length} trusted proxies`)];
}

async function checkDatabase({ config }: Input, store: Store): Promise<readonly Finding[]> {
  const facts = await store.inspect();
  const address = config.databaseUrl === undefined ? undefined : parseDatabaseUrl(config.databaseUrl);
  return [
    ok("database", `${facts.version} at ${store.place}`),
    checkDurability(facts),
    checkClock(facts),
    ...(address === undefined
      ? []
      : [
          isExposed(address) && facts.isEncrypted !== true
            ? warning(
                "encryption",
                `the database is reached ${describeProtection(address)}`,
                "set sslmode=verify-full in DATABASE_URL",
              )
            : ok("encryption", describeProtection(address)),
        ]),
  ];
}

/** What each must be, so that a change that was acknowledged outlives a crash. */
const DURABLE: Readonly<Record<string, readonly string[]>> = {
  fsync: ["on"],
  full_page_writes: ["on"],
  synchronous_commit: ["on", "remote_write", "remote_apply"],
  data_checksums: ["on"],
  server_encoding: ["UTF8"],
  journal_mode: ["wal"],
  synchronous: ["2", "3"],
};

function checkDurability({ settings }: Inspection): Finding {
  const wrong = Object.entries(settings).filter(([name, value]) => !(DURABLE[name] ?? [value]).includes(value));
  const detail = (rows: readonly (readonly [string, string])[]) =>
    rows.map(([name, value]) => `${name} ${value}`).join(", ");
  const [first] = wrong;
  if (first === undefined) return ok("durability", detail(Object.entries(settings)));
  const remedy = `set ${wrong.map(([name]) => `${name} to ${DURABLE[name]?.[0]}`).join(", ")} in the database`;
  // Without checksums a broken disk is found later, and by verify; without the others a crash loses what was acknowledged.
  const isMild = wrong.every(([name]) => name === "data_checksums");
  return isMild
    ? warning("durability", detail(wrong), "enable them at leisure: pg_checksums --enable")
    : failed("durability", detail(wrong), remedy);
}

function checkClock({ nowMs }: Inspection): Finding {
  if (nowMs === undefined) return ok("clock", `${new Date(systemClock.now()).toISOString()}; the store has no other`);
  const skewMs = Math.round(systemClock.now() - nowMs);
  const detail = `${Math.abs(skewMs)} ms ${skewMs < 0 ? "behind" : "ahead of"} the database's`;
  return Math.abs(skewMs) > LIMITS.clockSkewMs
    ? warning("clock", detail, "synchronise both hosts: chronyc tracking, timedatectl")
    : ok("clock", detail);
}

async function checkSchema(store: Store): Promise<readonly Finding[]> {
  const { applied, pending } = await schemaStatus(store);
  if (pending.length > 0)
    return [failed("schema", `${pending.length} migrations are pending`, "run: deadletter migrate")];
  const generation = await readStoreGeneration(store);
  return generation < GENERATION
    ? [
        warning(
          "schema",
          "older releases may still write; new fields are refused until they may not",
          "once all of them are stopped, run: deadletter migrate --finalize",
        ),
      ]
    : [ok("schema", `${applied.length} migrations, all of this release`)];
}

async function readLog(input: Input): Promise<readonly Finding[]> {
  let found: readonly Finding[] = [];
  await withClient(input, async (client) => {
    found = await checkLogStatus(client);
  });
  return found;
}
