// A whole deadletter on a fresh store of either engine, for tests: real files, a real PostgreSQL, a real listener.

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe } from "bun:test";
import { createPublicKey, type KeyObject } from "node:crypto";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { Deadletter, OpenOptions } from "../../src/app/assemble.ts";
import type { Listeners } from "../../src/app/listen.ts";
import { open } from "../../src/app/open.ts";
import type { Finding } from "../../src/audit/finding.ts";
import { createLogKey, encodeLogKey } from "../../src/audit/log-key.ts";
import type { Sequencer } from "../../src/audit/sequencer/sequencer.ts";
import { verify } from "../../src/audit/verify.ts";
import type { SavedCheckpoint } from "../../src/audit/verify-log.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/settings.ts";
import { readSignedHead } from "../../src/operations/audit-log.ts";
import { createFirstAdmin } from "../../src/operations/bootstrap.ts";
import { createLogger, type Logger } from "../../src/runtime/logger.ts";
import { SYSTEM } from "../../src/runtime/outside.ts";
import type { VerifierKey } from "../../src/tlog/note.ts";
import { contractOf } from "./api-contract.ts";
import { copyDatabase, createDatabase, replaceDatabase } from "./postgres.ts";

export type Engine = "sqlite" | "postgres";
export const ENGINES: readonly Engine[] = ["sqlite", "postgres"];

/** A key with a fixed seed: tags in golden vectors depend on it. */
export const TEST_LOG_KEY = createLogKey("test.example/log", new Uint8Array(32).fill(7));

export interface TestStore {
  readonly engine: Engine;
  readonly environment: Record<string, string>;
  readonly config: Config;
  /** Runs SQL as somebody who is inside the database, past this program; with its guards off where asked. */
  readonly tamper: (statement: string, options?: { guardsOff?: boolean }) => Promise<void>;
  readonly query: <Row>(statement: string) => Promise<Row[]>;
  /** Copies the whole database, which nobody may have open, and returns what puts the copy back in its place. */
  readonly backUp: () => Promise<() => Promise<void>>;
  /** Bytes as this engine writes them in SQL. */
  readonly literal: (bytes: Uint8Array) => string;
  readonly remove: () => void;
}

/** Settings of a process on a new data directory, on PostgreSQL where `url` names a database. */
export function newEnvironment(url: string | undefined, more: Record<string, string> = {}) {
  return {
    DEADLETTER_DATA_DIR: mkdtempSync(join(tmpdir(), "deadletter-test-")),
    PORT: "0",
    DEADLETTER_LOG_KEY: encodeLogKey(TEST_LOG_KEY),
    DEADLETTER_MIGRATE: "true",
    ...(url === undefined ? {} : { DATABASE_URL: url, HOST: "127.0.0.1" }),
    ...more,
  };
}

export async function createStore(engine: Engine): Promise<TestStore> {
  const url = engine === "postgres" ? await createDatabase() : undefined;
  const environment = newEnvironment(url, { DEADLETTER_POOL_SIZE: "5" });
  const directory = environment.DEADLETTER_DATA_DIR;
  const file = join(directory, "deadletter.db");
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const base = { engine, environment, config: loadConfig(environment).config, remove };
  return url === undefined ? { ...base, ...sqliteAccess(file) } : { ...base, ...postgresAccess(url) };
}

type Access = Pick<TestStore, "tamper" | "query" | "backUp" | "literal">;

/** What waits for a lock here blocks the process: a transaction of its own could never end meanwhile. */
function isUnlocked(database: Database): boolean {
  database.run("pragma busy_timeout = 0");
  try {
    database.run("begin immediate");
  } catch (error) {
    if ((error as { code?: string }).code === "SQLITE_BUSY") return false;
    throw error;
  }
  database.run("rollback");
  return true;
}

function sqliteAccess(file: string): Access {
  const withFile = <Result>(run: (database: Database) => Result): Result => {
    const database = new Database(file);
    try {
      database.run("pragma busy_timeout = 5000");
      return run(database);
    } finally {
      database.close();
    }
  };
  return {
    async tamper(statement, { guardsOff = false } = {}) {
      await until("no transaction of this process is open", () => withFile(isUnlocked));
      withFile((database) => {
        if (guardsOff) {
          const triggers = database
            .query<{ name: string }, []>(
              "select name from sqlite_master where type = 'trigger' and name like '%guard%'",
            )
            .all();
          for (const { name } of triggers) database.run(`drop trigger ${name}`);
          database.run("pragma ignore_check_constraints = on");
        } else {
          database.run("pragma foreign_keys = on");
          database.run("pragma recursive_triggers = on");
        }
        database.run(statement);
      });
    },
    query: async <Row>(statement: string) => withFile((database) => database.query<Row, []>(statement).all()),
    literal: (bytes) => `x'${Buffer.from(bytes).toString("hex")}'`,
    backUp: () => {
      const copy = `${file}.backup`;
      withFile((database) => database.run(`vacuum into '${copy}'`));
      return Promise.resolve(() => {
        for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
        cpSync(copy, file);
        return Promise.resolve();
      });
    },
  };
}

function postgresAccess(url: string): Access {
  const withSql = async <Result>(run: (sql: postgres.Sql) => Promise<Result>): Promise<Result> => {
    const types = { bigint: { to: 20, from: [20], parse: Number, serialize: String } };
    const sql = postgres(url, { max: 1, onnotice: () => {}, types });
    try {
      return await run(sql);
    } finally {
      await sql.end();
    }
  };
  return {
    tamper: (statement, { guardsOff = false } = {}) =>
      withSql(async (sql) => {
        // As a superuser would: no trigger fires and no reference is checked.
        if (guardsOff) await sql.unsafe(`set session_replication_role = replica; ${DROP_CHECKS}`);
        await sql.unsafe(statement);
      }),
    query: <Row>(statement: string) => withSql(async (sql) => [...(await sql.unsafe(statement))] as unknown as Row[]),
    literal: (bytes) => `decode('${Buffer.from(bytes).toString("hex")}', 'hex')`,
    backUp: async () => {
      const copy = await copyDatabase(url);
      return () => replaceDatabase(url, copy);
    },
  };
}

const DROP_CHECKS = `
  do $$ declare found record; begin
    for found in select conrelid::regclass as owner, conname from pg_constraint
      where contype = 'c' and connamespace = 'public'::regnamespace loop
      execute format('alter table %s drop constraint %I', found.owner, found.conname);
    end loop;
  end $$`;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's JSON is whatever the server sent; tests look into it.
  readonly json: any;
}

export interface TestServer {
  readonly store: TestStore;
  readonly deadletter: Deadletter;
  readonly listeners: Listeners;
  readonly adminKey: string;
  readonly adminId: number;
  readonly logLines: () => Record<string, unknown>[];
  readonly setClock: (clock: () => number) => void;
  /**
   * Sends JSON (or a body as it is) with the admin's key, unless `key` says otherwise. Never follows a redirect. Throws where the
   * answer is not as /openapi.json describes it.
   */
  readonly call: (method: string, path: string, body?: unknown, options?: CallOptions) => Promise<Answer>;
  readonly verify: () => Promise<Finding[]>;
  /** Puts all that waits into the log, as `serve` does by itself, and returns the checkpoint then. */
  readonly sequence: () => Promise<string>;
  /** What a sequencer that has been running does each minute. */
  readonly recheck: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface CallOptions {
  readonly key?: string | null;
  readonly headers?: Record<string, string>;
}

export async function startServer(
  store: TestStore,
  environment: Record<string, string> = {},
  more: Partial<OpenOptions> = {},
): Promise<TestServer> {
  let clock: () => number = Date.now;
  const { log, lines } = captureLog();
  const { config } = loadConfig({ ...store.environment, ...environment });
  const outside = { ...SYSTEM, clock: { ...SYSTEM.clock, now: () => clock() } };
  const deadletter = await open(config, { log, via: "http", outside, ...more });
  const admin = await createFirstAdmin(deadletter.core, deadletter.self);
  const listeners = deadletter.listen();
  const adminKey = admin?.key.key ?? "";
  let sequencer: Sequencer | undefined;
  return {
    store,
    deadletter,
    listeners,
    adminKey,
    adminId: admin?.user.id ?? 0,
    logLines: lines,
    setClock: (next) => {
      clock = next;
    },
    async call(method, path, body, options = {}) {
      const answer = await callServer(listeners.apiUrl, adminKey, method, path, body, options);
      (await contractOf(deadletter)).check({ ...answer, method, path });
      return answer;
    },
    verify: () => findFalsehoods(deadletter),
    async sequence() {
      sequencer ??= deadletter.auditLog.createSequencer();
      while ((await sequencer.runBatch()).isMore);
      sequencer.flush();
      return (await readSignedHead(deadletter.core)).note;
    },
    async recheck() {
      sequencer ??= deadletter.auditLog.createSequencer();
      await sequencer.sweep();
      await sequencer.recheck();
    },
    async close() {
      await listeners.stop(1_000);
      await deadletter.close();
    },
  };
}

export async function findFalsehoods(
  { core }: Pick<Deadletter, "core">,
  saved: readonly SavedCheckpoint[] = [],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  await verify(core.store, core.logKey, { saved, onFinding: (finding) => findings.push(finding) });
  return findings;
}

async function callServer(
  base: string,
  adminKey: string,
  method: string,
  path: string,
  body: unknown,
  options: CallOptions,
): Promise<Answer> {
  const key = options.key === undefined ? adminKey : options.key;
  const response = await fetch(base + path, {
    method,
    redirect: "manual",
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...options.headers,
    },
    ...(body === undefined
      ? {}
      : { body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function captureLog(): { log: Logger; lines: () => Record<string, unknown>[] } {
  let text = "";
  const log = createLogger("info", {
    write: (bytes) => {
      text += Buffer.from(bytes).toString();
    },
    flush: () => 0,
  });
  return {
    log,
    lines: () =>
      text
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

/** The same cases on both engines, each with a server of its own that is closed at the end. */
export function describeEachEngine(
  name: string,
  define: (server: () => TestServer, engine: Engine) => void,
  environment: Record<string, string> = {},
): void {
  describe.each([...ENGINES])(`${name} on %s`, (engine) => {
    let server: TestServer | undefined;
    beforeAll(async () => {
      server = await startServer(await createStore(engine), environment);
    });
    afterAll(async () => {
      await server?.close();
      server?.store.remove();
    });
    define(() => {
      if (!server) throw new Error("the server has not started");
      return server;
    }, engine);
  });
}

/** Waits for a condition with a deadline; never for a time. */
export async function until(
  claim: string,
  isTrue: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${claim}`);
    await Bun.sleep(5);
  }
}

/** A log's public key for those who check it with node:crypto. */
export function keyObjectOf({ publicKey }: VerifierKey): KeyObject {
  const x = publicKey.toBase64({ alphabet: "base64url", omitPadding: true });
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}
