// Where the audit log's key comes from and where it is kept: the configuration, or a 0600 file in the data directory.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createLogKey, encodeLogKey, type LogKey, parseLogKey } from "../audit/log-key.ts";
import { isBorneOutBy, readWitnesses } from "../audit/witnesses.ts";
import type { Config } from "../config/settings.ts";
import { badRequest, messageOf } from "../errors.ts";
import type { Outside } from "../runtime/outside.ts";
import { randomName } from "../runtime/random.ts";
import type { Store } from "../store/store.ts";

/**
 * From the configuration, or from the data directory of the embedded store, which makes one on its first start. Throws
 * where the key is missing or is another than the one the store was written with: its events would fail every verification.
 */
export async function loadLogKey(config: Config, store: Store, outside: Outside): Promise<LogKey> {
  const { key, objection } = await findLogKey(config, store, outside);
  if (objection !== undefined) throw badRequest(objection, "start with the log key this store was made with");
  return key;
}

/** The same for `verify`, which looks at everything whatever the key is: what speaks against it, where anything does. */
export async function findLogKey(
  config: Config,
  store: Store,
  outside: Outside,
): Promise<{ readonly key: LogKey; readonly objection: string | undefined }> {
  const witnesses = await readWitnesses(store);
  const key =
    config.logKey === undefined ? loadEmbeddedKey(config, witnesses.isInUse, outside) : parseLogKey(config.logKey);
  const objection = `the log key ${key.origin} is not the one that ${store.place} was written with`;
  return { key, objection: isBorneOutBy(witnesses, key) ? undefined : objection };
}

function loadEmbeddedKey(config: Config, isInUse: boolean, { randomBytes, files }: Outside): LogKey {
  if (config.databaseUrl !== undefined)
    throw badRequest(
      "PostgreSQL needs the audit log's key: set DEADLETTER_LOG_KEY_FILE",
      "make one, once for all replicas, with: deadletter log keygen --out log.key",
    );
  const path = logKeyPath(config);
  if (existsSync(path)) return parseLogKey(readOrExplain(path));
  if (isInUse)
    throw badRequest(`the log key ${path} is missing, but the store was written with one`, "restore it from a backup");
  const key = createLogKey(`deadletter.local/${randomName(randomBytes, 4)}`, randomBytes(32));
  try {
    files.create(path, `${encodeLogKey(key)}\n`);
    return key;
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") return parseLogKey(readOrExplain(path));
    throw badRequest(`cannot write the log key ${path}: ${messageOf(error)}`);
  }
}

/** Where the embedded store's key is kept, where the configuration does not bring one. */
export function logKeyPath(config: Config): string {
  return join(config.dataDir, "log.key");
}

function readOrExplain(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw badRequest(`cannot read the log key ${path}: ${messageOf(error)}`);
  }
}
