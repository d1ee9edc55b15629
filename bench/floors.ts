// What the databases can do with the rows of a write and nothing around them: the floors of bench/writes.ts.

import { Database } from "bun:sqlite";
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { GENERATION } from "../src/store/generation.ts";

type Kind = "create" | "update" | "delete";

const ACTOR = "a".repeat(150);
const STATE = "b".repeat(350);
const LEAF = Buffer.alloc(240, 0xab);
const TAG = Buffer.alloc(32, 7);
const AT_MS = 1_764_021_418_000;

const EVENT_COLUMNS = "subject_type, subject_id, version, op, at_ms, leaf, leaf_hash, tag, actor, state, user_id";
const URL_COLUMNS =
  "id, short_code, original_url, title, is_active, expires_at_ms, user_id, created_at_ms, updated_at_ms, version, head";

/** The real schema with its triggers: prepared statements, `group` writes a transaction. */
export class SqliteFloor {
  readonly #database: Database;
  readonly #path: string;
  #next = 1;

  constructor(empty: string, work: string) {
    this.#path = join(work, "floor.db");
    copyFileSync(empty, this.#path);
    this.#database = new Database(this.#path);
    const pragmas = ["journal_mode = wal", "synchronous = full", "foreign_keys = on", "recursive_triggers = on"];
    for (const pragma of [...pragmas, "secure_delete = on", "wal_autocheckpoint = 4000"])
      this.#database.run(`pragma ${pragma}`);
  }

  /** Writes a second. */
  run(kind: Kind, group: number, seconds: number): number {
    const write = this.#writer(kind);
    const began = performance.now();
    let count = 0;
    while (performance.now() - began < seconds * 1000) {
      this.#database.run("begin immediate");
      for (let at = 0; at < group; at++) write();
      this.#database.run("commit");
      count += group;
    }
    const rate = count / ((performance.now() - began) / 1000);
    this.#database.close();
    for (const end of ["", "-wal", "-shm"]) rmSync(this.#path + end, { force: true });
    return rate;
  }

  #writer(kind: Kind): () => void {
    const places = (count: number) => Array(count).fill("?").join(", ");
    const event = this.#database.prepare(`insert into events (${EVENT_COLUMNS}) values (${places(11)})`);
    const queue = this.#database.prepare(`insert into log_queue (event_id, generation) values (?, ${GENERATION})`);
    const insert = this.#database.prepare(`insert into urls (${URL_COLUMNS}) values (${places(11)})`);
    const change = this.#database.prepare(
      "update urls set title = ?, is_active = ?, updated_at_ms = ?, version = version + 1, head = ? where id = ?",
    );
    const log = (id: number, version: number, op: string, hash: Uint8Array) => {
      const { lastInsertRowid } = event.run("url", id, version, op, AT_MS, LEAF, hash, TAG, ACTOR, STATE, null);
      queue.run(Number(lastInsertRowid));
    };
    const create = () => {
      const [id, hash] = [this.#next++, randomBytes(32)];
      log(id, 1, "created", hash);
      insert.run(id, codeOf(id), "https://example.com/a/long/page/1", "", 1, null, null, AT_MS, AT_MS, 1, hash);
    };
    if (kind === "create") return create;
    this.#database.run("begin");
    for (let at = 0; at < 100_000; at++) create();
    this.#database.run("commit");
    const versions = new Map<number, number>();
    let last = 0;
    return () => {
      const id = kind === "delete" ? ++last : 1 + Math.floor(Math.random() * 100_000);
      const version = (versions.get(id) ?? 1) + 1;
      versions.set(id, version);
      const hash = randomBytes(32);
      log(id, version, kind === "delete" ? "deleted" : "updated", hash);
      change.run("t", kind === "delete" ? 0 : 1, AT_MS, hash, id);
    };
  }
}

function codeOf(id: number): string {
  return `c${((id * 7_919) % 9_999_991).toString(36)}${id}`;
}

const BINARIES = "/usr/lib/postgresql/15/bin";
const AS_OWNER = process.getuid?.() === 0 ? ["runuser", "-u", "postgres", "--"] : [];

/** The same tables, indexes and keys as deadletter's, without its triggers. */
const TABLES = `
  create table f_events (id bigint generated always as identity primary key, subject_type text not null,
    subject_id bigint not null, version int not null, op text not null, at_ms bigint not null, leaf bytea not null,
    leaf_hash bytea not null unique, tag bytea not null, actor text, state text, user_id bigint,
    unique (subject_type, subject_id, version));
  create index on f_events (at_ms, id);
  create index on f_events (op, at_ms, id);
  create index on f_events (user_id, at_ms, id);
  create table f_queue (id bigint generated always as identity primary key, event_id bigint not null unique references f_events (id));
  create table f_urls (id bigint primary key, short_code text not null unique, original_url text not null, title text not null,
    is_active int not null, expires_at_ms bigint, user_id bigint, created_at_ms bigint not null, updated_at_ms bigint not null,
    version int not null, head bytea not null references f_events (leaf_hash));
  create index on f_urls (created_at_ms, id);
  create index on f_urls (user_id, created_at_ms, id);
  create sequence f_next;`;

const LOG = (version: string, op: string) => `
  insert into f_events (${EVENT_COLUMNS}) values ('url', :id::bigint, ${version}, '${op}', ${AT_MS}, decode(repeat('ab', 240), 'hex'),
    sha256(int8send(:id::bigint * 1000000 + ${version})), decode(repeat('07', 32), 'hex'), repeat('a', 150), repeat('b', 350), 1);
  insert into f_queue (event_id) select id from f_events where leaf_hash = sha256(int8send(:id::bigint * 1000000 + ${version}));`;

const CHANGE = (op: string, set: string) => `
  select version + 1 as v from f_urls where id = :id for no key update \\gset
  ${LOG(":v", op)}
  update f_urls set ${set}, updated_at_ms = ${AT_MS}, version = :v, head = sha256(int8send(:id::bigint * 1000000 + :v)) where id = :id;`;

const SCRIPTS: Readonly<Record<Kind, string>> = {
  create: `\\set id random(1000000, 9000000000000)
    begin; ${LOG("1", "created")}
    insert into f_urls values (:id::bigint, 'c' || :id::bigint, 'https://example.com/a/long/page/1', '', 1, null, 1, ${AT_MS}, ${AT_MS}, 1,
      sha256(int8send(:id::bigint * 1000000 + 1))); commit;`,
  update: `\\set id random(1, 100000)
    begin; ${CHANGE("updated", "title = 't'")} commit;`,
  delete: `select 1 + nextval('f_next') % 100000 as id \\gset
    begin; ${CHANGE("deleted", "is_active = 0")} commit;`,
};

export class PostgresFloor {
  readonly #folder: string;
  readonly #port: number;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
  }

  static isThere(): boolean {
    return existsSync(join(BINARIES, "pgbench")) && existsSync(join(BINARIES, "postgres"));
  }

  static version(): string {
    return PostgresFloor.isThere() ? run([join(BINARIES, "postgres"), "--version"], []).trim() : "missing";
  }

  /** A server with fsync on. */
  static async start(work: string, port: number): Promise<PostgresFloor> {
    const folder = join(work, "cluster");
    mkdirSync(folder);
    run(["chmod", "755", work], []);
    if (AS_OWNER.length > 0) run(["chown", "postgres", folder], []);
    run([join(BINARIES, "initdb"), "-D", folder, "-U", "postgres", "-A", "trust", "-E", "UTF8"]);
    const options = `-p ${port} -h 127.0.0.1 -k '' -c max_wal_size=4GB`;
    run([join(BINARIES, "pg_ctl"), "start", "-w", "-s", "-D", folder, "-l", join(folder, "log"), "-o", options]);
    const floor = new PostgresFloor(folder, port);
    const sql = postgres(await floor.createDatabase("floor"), { max: 1, onnotice: () => {} });
    await sql.unsafe(TABLES);
    await sql.unsafe(`
      insert into f_events (${EVENT_COLUMNS}) select 'url', id, 1, 'created', ${AT_MS}, decode(repeat('ab', 240), 'hex'),
        sha256(int8send(id * 1000000 + 1)), decode(repeat('07', 32), 'hex'), repeat('a', 150), repeat('b', 350), 1
      from generate_series(1::bigint, 100000) id;
      insert into f_urls select id, 'c' || id, 'https://example.com/a/long/page/1', '', 1, null, 1, ${AT_MS}, ${AT_MS}, 1,
        sha256(int8send(id * 1000000 + 1)) from generate_series(1::bigint, 100000) id;
      analyze;`);
    await sql.end();
    return floor;
  }

  async createDatabase(name: string): Promise<string> {
    const sql = postgres(`postgres://postgres@127.0.0.1:${this.#port}/postgres`, { max: 1, onnotice: () => {} });
    await sql.unsafe(`create database ${name}`);
    await sql.end();
    return `postgres://postgres@127.0.0.1:${this.#port}/${name}`;
  }

  /** Transactions a second. */
  pgbench(kind: Kind, clients: number, seconds: number): number {
    const script = join(this.#folder, `${kind}.sql`);
    writeFileSync(script, SCRIPTS[kind]);
    const jobs = String(Math.min(2, clients));
    const flags = ["-n", "-M", "prepared", "-c", String(clients), "-j", jobs, "-T", String(seconds), "-f", script];
    const server = ["-h", "127.0.0.1", "-p", String(this.#port), "-U", "postgres", "floor"];
    return Number(/tps = ([\d.]+)/.exec(run([join(BINARIES, "pgbench"), ...flags, ...server], []))?.[1]);
  }

  /** Rows of 250 a statement into deadletter's own schema, triggers and all: what there is of bulk without deadletter. */
  async prepareMany(seconds: number): Promise<() => number> {
    const url = await this.createDatabase("many");
    const environment = {
      DATABASE_URL: url,
      DEADLETTER_DATA_DIR: join(this.#folder, "many"),
      DEADLETTER_MIGRATE: "true",
    };
    const schema = Bun.spawnSync([process.execPath, "src/main.ts", "migrate"], {
      env: { ...process.env, ...environment },
      cwd: join(import.meta.dir, ".."),
    });
    if (schema.exitCode !== 0) throw new Error(schema.stderr.toString());
    const program = [process.execPath, join(import.meta.dir, "many.ts"), url, String(seconds)];
    return () => Number(run(program, []));
  }

  async remove(): Promise<void> {
    run([join(BINARIES, "pg_ctl"), "stop", "-w", "-s", "-m", "immediate", "-D", this.#folder]);
  }
}

function run(command: readonly string[], asOwner: readonly string[] = AS_OWNER): string {
  const done = Bun.spawnSync([...asOwner, ...command], { cwd: "/", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`${command.join(" ")}: ${done.stderr}`);
  return done.stdout.toString();
}
