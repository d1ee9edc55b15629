// serve: opens everything, makes the first admin of an empty store, listens until told to stop. With --workers it is the
// supervisor of as many processes that do so together (serve-worker, an internal command).

import pc from "picocolors";
import type { Deadletter } from "../app/assemble.ts";
import type { Listeners } from "../app/listen.ts";
import { open } from "../app/open.ts";
import { describeProtection, isExposed, parseDatabaseUrl } from "../config/database-url.ts";
import type { Config } from "../config/settings.ts";
import { badRequest } from "../errors.ts";
import { reportOf } from "../http/report.ts";
import { cannotListen } from "../http/server.ts";
import { LIMITS } from "../limits.ts";
import { type Admin, createFirstAdmin } from "../operations/bootstrap.ts";
import { hasAdminKey } from "../operations/keys.ts";
import { sleep, systemClock } from "../runtime/clock.ts";
import { createLogger, describeError, type LogFormat } from "../runtime/logger.ts";
import { serviceManager } from "../runtime/service-manager.ts";
import { onStopSignals, surviveUncaught, untilShutdown } from "../runtime/shutdown.ts";
import { VERSION } from "../runtime/version.ts";
import { Seat } from "../workers/seat.ts";
import { Supervisor } from "../workers/supervisor.ts";
import { type Command, type Input, type Io, readInteger, STORE_SETTINGS } from "./command.ts";

export const serveCommand: Command = {
  name: "serve",
  summary: "Serve redirects and the API until SIGTERM.",
  args: [],
  flags: [],
  settings: [
    ...STORE_SETTINGS,
    "host",
    "port",
    "adminListen",
    "metricsListen",
    "baseUrl",
    "ownHosts",
    "pages",
    "preview",
    "homeUrl",
    "pageName",
    "pageColor",
    "adminKey",
    "migrate",
    "waitForDatabase",
    "logLevel",
    "logFormat",
    "logRedirects",
    "trustedProxies",
    "logClient",
    "auditClient",
    "limitBadKeys",
    "limitProofs",
    "limitChanges",
    "limitRedirects",
    "shutdownGraceMs",
    "drainMs",
    "workers",
    "maxConnections",
    "walMegabytes",
    "cacheEntries",
    "cacheMissing",
    "cacheMegabytes",
    "cacheStaleMax",
    "cacheOutage",
    "keyOutage",
    "refusedWrites",
    "clickRetentionDays",
    "clickReferrers",
    "alertWebhook",
    "alertFormat",
    "alertCooldown",
  ],
  examples: [
    "deadletter serve",
    "deadletter serve --port 8080 --base-url https://go.example.com",
    "DATABASE_URL=postgres://deadletter@db/deadletter DEADLETTER_LOG_KEY_FILE=log.key deadletter serve --migrate",
    "DATABASE_URL=postgres://deadletter@db/deadletter DEADLETTER_LOG_KEY_FILE=log.key deadletter serve --workers 4",
  ],
  run: (input, io) => (input.config.workers === 1 ? serve(input.config, io) : superviseWorkers(input, io)),
};

/** What a supervisor starts. */
export const serveWorkerCommand: Command = {
  name: "serve-worker",
  summary: "One of the processes of serve --workers, which starts it.",
  isInternal: true,
  args: ["NUMBER"],
  flags: [],
  settings: serveCommand.settings,
  examples: [],
  run({ config, args: [number] }, io) {
    if (!process.send) throw badRequest("serve-worker is not started by hand", "see: deadletter serve --workers N");
    return serve(config, io, new Seat(readInteger("NUMBER", number) ?? 1));
  },
};

async function serve(config: Config, io: Io, seat?: Seat): Promise<number> {
  const log = createLogger(config.logLevel, Bun.stdout.writer(), logFormatOf(config));
  const deadletter = await open(config, { log, via: "http", mayServeWarmSet: true, ...(seat ? { seat } : {}) });
  surviveUncaught(log, () => deadletter.countUncaught());
  try {
    await deadletter.start();
    // A key that was configured works before anybody can ask; one that is made is made once it can be shown.
    const early = config.adminKey !== undefined && !deadletter.checkLater ? await welcome(deadletter) : undefined;
    const listeners = deadletter.listen();
    const greeting = deadletter.checkLater
      ? () => "the database is down: known links redirect, all else waits for it\n"
      : (early ?? (await welcome(deadletter)));
    deadletter.ready();
    deadletter.checkLater?.().catch((error: unknown) => {
      log.error("the database is back, and is not one to serve", describeError(error));
      process.kill(process.pid, "SIGTERM");
    });
    seat?.reportWith(() => reportOf(deadletter.service));
    if (seat?.isLeader) seat.shareRefusal(deadletter.auditLog.refusal);
    // Of workers their supervisor tells.
    const manager = seat ? undefined : serviceManager(io.environment, systemClock);
    // Before anybody is told that it serves: who reads that may send a signal at once.
    const exitCode = untilShutdown(
      log,
      {
        startDraining() {
          manager?.stopping();
          deadletter.startDraining();
        },
        graceMs: config.shutdownGraceMs,
        finish: async () => {
          await listeners.stop(config.drainMs);
          log.info("stopped");
          await deadletter.close();
        },
      },
      seat,
    );
    const { place, engine } = deadletter.core.store;
    const address = config.databaseUrl === undefined ? undefined : parseDatabaseUrl(config.databaseUrl);
    if (address && isExposed(address))
      log.warn("the database is reached over a network in the clear, or may be: set sslmode=verify-full", { place });
    const from = address ? `${place}, ${describeProtection(address)}` : place;
    const said = `deadletter ${VERSION} serves on ${listeners.baseUrl} from ${from}\n${greeting(listeners, io.isErrTerminal)}`;
    if (seat)
      seat.serving({
        port: listeners.port,
        adminListen: listeners.adminListen,
        metricsListen: listeners.metricsListen,
        greeting: said,
      });
    else {
      // On a terminal both end up at one place: lines from before come before it, and it is not torn apart.
      await log.flush();
      io.err(said);
    }
    manager?.ready();
    log.info("serving", { version: VERSION, base_url: listeners.baseUrl, engine });
    return await exitCode;
  } catch (error) {
    await deadletter.close();
    throw error;
  }
}

async function superviseWorkers({ config, words }: Input, io: Io): Promise<number> {
  if (config.databaseUrl === undefined)
    throw badRequest(
      `the embedded store is for one process: it cannot be served by ${config.workers} workers`,
      "set DATABASE_URL to use PostgreSQL, or leave --workers out",
    );
  refuseTakenPort(config);
  const sink = Bun.stdout.writer();
  const format = logFormatOf(config);
  const log = createLogger(config.logLevel, sink, format);
  const supervisor = new Supervisor({
    workers: config.workers,
    words,
    // A worker's own standard output is a pipe to here.
    environment: { ...io.environment, DEADLETTER_LOG_FORMAT: format },
    stopMs:
      Math.max(config.shutdownGraceMs, LIMITS.drainNoticeMs) +
      config.drainMs +
      config.databaseDeadlineMs +
      LIMITS.workerStopMs,
    log,
    out: async (lines) => {
      await sink.write(lines);
      await sink.flush();
    },
    err: (lines) => {
      io.err(new TextDecoder().decode(lines));
      return Promise.resolve();
    },
  });
  const manager = serviceManager(io.environment, systemClock);
  onStopSignals(
    (signal) => {
      manager.stopping();
      log.info("stopping", { signal, workers: config.workers });
      supervisor.stop();
    },
    () => {
      supervisor.kill();
      process.exit(1);
    },
  );
  const exitCode = await supervisor.run(({ greeting }) => {
    io.err(greeting);
    manager.ready();
  });
  await Promise.race([log.flush(), sleep(systemClock, LIMITS.workerFlushMs)]);
  return exitCode;
}

function logFormatOf({ logFormat }: Config): LogFormat {
  if (logFormat !== "auto") return logFormat;
  return process.stdout.isTTY ? "pretty" : "json";
}

/** Workers share their port with one another, and so would share it with any other server of this user. */
function refuseTakenPort({ host, port, adminListen, metricsListen }: Config): void {
  const probes: Bun.Server<undefined>[] = [];
  try {
    for (const each of [{ host, port }, adminListen, metricsListen].filter((address) => address !== undefined))
      probes.push(probe(each.host, each.port));
  } finally {
    for (const each of probes) void each.stop(true);
  }
}

function probe(hostname: string, port: number): Bun.Server<undefined> {
  try {
    return Bun.serve({ hostname, port, reusePort: false, fetch: () => new Response() });
  } catch (error) {
    throw cannotListen(hostname, port, error);
  }
}

type Greeting = (listeners: Listeners, isTerminal: boolean) => string;

/** On an empty store: the first admin, where one may be made unasked, and the next command to type. */
async function welcome(deadletter: Deadletter): Promise<Greeting> {
  const { core, config, self } = deadletter;
  if (core.store.engine === "sqlite" || config.adminKey !== undefined) {
    const admin = await createFirstAdmin(core, { ...self, via: "serve" }, config.adminKey);
    if (!admin) return () => "";
    if (config.adminKey !== undefined)
      return () => `created user "${admin.user.username}" with the key that was configured\n`;
    return ({ baseUrl, apiUrl }, isTerminal) =>
      isTerminal ? banner(admin, config) : firstSteps(admin, baseUrl, apiUrl);
  }
  const hasAdmin = await hasAdminKey(core);
  return () => (hasAdmin ? "" : "no key exists yet; create the first with: deadletter users create --admin\n");
}

/** For a person, who has commands at hand. */
function banner({ user: { username }, key: { key } }: Admin, { dataDir }: Config): string {
  const place = dataDir === "./data" ? "" : ` --data-dir ${dataDir}`;
  return `
  Your admin key, of user "${username}". It is shown once and kept nowhere; store it now:

  ${pc.bold(key)}

  Next, in another terminal, from this directory:

    ${pc.cyan(`deadletter shorten https://example.com/ --code hello${place}`)}
    ${pc.cyan(`deadletter admin${place}`)}
    ${pc.cyan(`deadletter dashboard${place}`)}

`;
}

function firstSteps({ user: { username }, key: { key } }: Admin, baseUrl: string, apiUrl: string): string {
  return `
First start: user "${username}" was created with this key. It is shown once and kept nowhere; store it now.

  ${key}

Make a first link:

  curl -i ${apiUrl}/urls -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '{"original_url":"https://example.com/","short_code":"hello"}'

Then follow it:

  curl -i ${baseUrl}/hello

`;
}
