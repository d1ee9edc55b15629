// From a configuration to a running process, or to the reason why not. Used by serve, by every command and by the tests.

import { type LogKey, parseLogKey } from "../audit/log-key.ts";
import type { Config } from "../config/settings.ts";
import { LIMITS } from "../limits.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import { describeError } from "../runtime/logger.ts";
import { type Outside, SYSTEM } from "../runtime/outside.ts";
import { assemble, type Deadletter, type OpenOptions } from "./assemble.ts";
import { loadLogKey } from "./log-key-file.ts";
import { assertReachable, bringSchemaUp, connectStore, isUnavailable, waitUntilReachable } from "./open-store.ts";
import { readUsableWarmSet } from "./redirects.ts";

/** Throws with a hint when the store cannot be reached, is not migrated, or belongs to another log key. */
export async function open(config: Config, options: OpenOptions): Promise<Deadletter> {
  const { log, outside = SYSTEM, connect = connectStore } = options;
  const { clock } = outside;
  const store = await connect(config, clock);
  const check = async () => {
    await assertReachable(store);
    await bringSchemaUp(store, config, clock);
    return loadLogKey(config, store, outside);
  };
  try {
    if (!(options.mayServeWarmSet && keyForWarmSet(config, outside)))
      await waitUntilReachable(store, config, clock, log);
    const deadletter = assemble(config, store, await check(), { ...options, outside });
    await deadletter.auditLog.checkHead();
    return deadletter;
  } catch (error) {
    const key = options.mayServeWarmSet && isUnavailable(error) ? keyForWarmSet(config, outside) : undefined;
    if (key === undefined) {
      await store.close();
      throw error;
    }
    log.warn("the database is down: serving the warm set of links until it is back", describeError(error));
    const deadletter = assemble(config, store, key, { ...options, outside });
    const checkAll = async () => {
      await check();
      await deadletter.auditLog.checkHead();
    };
    return { ...deadletter, checkLater: () => retryWhileUnavailable(clock, checkAll) };
  }
}

/** The log key, where this process could serve links of its host's warm set without having asked the database. */
function keyForWarmSet(config: Config, outside: Outside): LogKey | undefined {
  if (config.logKey === undefined) return undefined;
  const key = parseLogKey(config.logKey);
  return readUsableWarmSet(config, key.origin, outside) && key;
}

async function retryWhileUnavailable(clock: Clock, check: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      await sleep(clock, LIMITS.sequencerRetryMs);
    }
  }
}

/** The operator at this host's terminal, as events name them: the user id, which no environment variable can forge. */
export function localOperator(door: "cli" | "import"): string {
  return `${door}:uid-${process.getuid?.() ?? "unknown"}`;
}
