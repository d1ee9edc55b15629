// serve: opens everything, makes the first admin of an empty store, listens until told to stop.

import { type Deadletter, type Listeners, open } from "../deadletter.ts";
import { surviveUncaught, untilShutdown } from "../lifecycle.ts";
import { createLogger, describeError } from "../log.ts";
import { type Admin, createFirstAdmin } from "../operations/bootstrap.ts";
import { findAnyAdminKey } from "../store/queries/keys.ts";
import { VERSION } from "../version.ts";
import { type Command, STORE_SETTINGS } from "./command.ts";

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
    "baseUrl",
    "adminKey",
    "migrate",
    "logLevel",
    "shutdownGraceMs",
    "drainMs",
    "cacheEntries",
    "cacheMissing",
    "cacheMegabytes",
    "cacheStaleMax",
    "cacheOutage",
    "clickRetentionDays",
  ],
  examples: [
    "deadletter serve",
    "deadletter serve --port 8080 --base-url https://go.example.com",
    "DATABASE_URL=postgres://deadletter@db/deadletter DEADLETTER_LOG_KEY_FILE=log.key deadletter serve --migrate",
  ],
  async run({ config }, io) {
    const log = createLogger(config.logLevel, Bun.stdout.writer());
    const deadletter = await open(config, { log, via: "http", mayServeWarmSet: true });
    surviveUncaught(log, () => deadletter.metrics.uncaughtErrors.inc());
    try {
      // Bound first: a key that was made and could then not be shown would be lost.
      const listeners = deadletter.listen();
      const greeting = deadletter.checkLater
        ? () => "the database is down: known links redirect, all else waits for it\n"
        : await welcome(deadletter);
      deadletter.startLog();
      deadletter.checkLater?.().catch((error: unknown) => {
        log.error("the database is back, and is not one to serve", describeError(error));
        process.kill(process.pid, "SIGTERM");
      });
      // Before anybody is told that it serves: who reads that may send a signal at once.
      const exitCode = untilShutdown(log, {
        startDraining: deadletter.startDraining,
        graceMs: config.shutdownGraceMs,
        finish: async () => {
          await listeners.stop(config.drainMs);
          log.info("stopped");
          await deadletter.close();
        },
      });
      const { place, engine } = deadletter.core.store;
      io.err(`deadletter ${VERSION} serves on ${listeners.baseUrl} from ${place}\n${greeting(listeners)}`);
      log.info("serving", { version: VERSION, base_url: listeners.baseUrl, engine });
      return await exitCode;
    } catch (error) {
      await deadletter.close();
      throw error;
    }
  },
};

/** On an empty store: the first admin, where one may be made unasked, and the next command to type. */
async function welcome(deadletter: Deadletter): Promise<(listeners: Listeners) => string> {
  const { core, config, self } = deadletter;
  if (core.store.engine === "sqlite" || config.adminKey !== undefined) {
    const admin = await createFirstAdmin(core, { ...self, via: "serve" }, config.adminKey);
    if (!admin) return () => "";
    if (config.adminKey !== undefined)
      return () => `created user "${admin.user.username}" with the key that was configured\n`;
    return ({ baseUrl, apiUrl }) => firstSteps(admin, baseUrl, apiUrl);
  }
  const admins = await core.store.read(findAnyAdminKey);
  return () =>
    admins.length > 0 ? "" : "nobody has a key yet; make the first with: deadletter users create --admin\n";
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
