// A primary and its asynchronous standby from Debian's PostgreSQL 15, which has the programs that the npm package lacks.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { freePort } from "./postgres.ts";

const BINARIES = "/usr/lib/postgresql/15/bin";
/** The server does not run as root. */
const AS_OWNER = process.getuid?.() === 0 ? ["runuser", "-u", "postgres", "--"] : [];

export interface Pair {
  /** Of whichever takes changes. */
  readonly url: string;
  readonly primaryUrl: string;
  readonly standbyUrl: string;
  /** The standby takes what it is sent, and does not apply it. */
  pauseReplay(): void;
  resumeReplay(): void;
  /** Keeps what the primary commits from reaching the standby, from now on. */
  stopReplication(): void;
  /** As a machine that is gone: nothing of it answers again. */
  killPrimary(): void;
  promoteStandby(): Promise<void>;
  remove(): Promise<void>;
}

/** `isSynchronous`: the primary acknowledges no commit before the standby has it on its disk. */
export async function startPair({ isSynchronous = false }: { readonly isSynchronous?: boolean } = {}): Promise<Pair> {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-pair-"));
  await run(["chown", "-R", "postgres", folder], []).catch(() => undefined);
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  const [primaryPort, standbyPort] = [await freePort(), await freePort()];
  await run([join(BINARIES, "initdb"), "-D", one, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
  const settings = [
    "fsync=off",
    "wal_level=replica",
    "max_connections=200",
    "shared_buffers=64MB",
    "wal_receiver_timeout=60s",
  ];
  const start = (data: string, port: number) =>
    run([
      ...[join(BINARIES, "pg_ctl"), "start", "-w", "-s", "-D", data, "-l", join(folder, "log")],
      ...["-o", [`-p ${port} -h 127.0.0.1 -k ''`, ...settings.map((setting) => `-c ${setting}`)].join(" ")],
    ]);
  await start(one, primaryPort);
  const source = ["-h", "127.0.0.1", "-p", String(primaryPort), "-U", "postgres"];
  await run([join(BINARIES, "pg_basebackup"), "-D", two, "-R", "-X", "stream", "-c", "fast", ...source]);
  await start(two, standbyPort);
  const urlOf = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`;
  if (isSynchronous) {
    const sql = postgres(urlOf(primaryPort), { max: 1, onnotice: () => {} });
    await sql`alter system set synchronous_standby_names = '*'`;
    await sql`select pg_reload_conf()`;
    await sql.end();
  }
  const replay = (signal: "SIGSTOP" | "SIGCONT") => {
    for (const pid of childrenNamed(pidOf(two), "startup")) process.kill(pid, signal);
  };
  const pidOf = (data: string) => Number(readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[0]);
  return {
    url: `postgres://postgres@127.0.0.1:${primaryPort},127.0.0.1:${standbyPort}/postgres?target_session_attrs=read-write`,
    primaryUrl: urlOf(primaryPort),
    standbyUrl: urlOf(standbyPort),
    pauseReplay: () => replay("SIGSTOP"),
    resumeReplay: () => replay("SIGCONT"),
    stopReplication() {
      for (const pid of childrenNamed(pidOf(two), "walreceiver")) process.kill(pid, "SIGSTOP");
    },
    killPrimary() {
      const postmaster = pidOf(one);
      for (const pid of [postmaster, ...childrenNamed(postmaster, "")]) kill(pid);
      rmSync(join(one, "postmaster.pid"), { force: true });
    },
    async promoteStandby() {
      // What it holds in its hands it has not written: that is lost with it.
      for (const pid of childrenNamed(pidOf(two), "walreceiver")) kill(pid);
      await run([join(BINARIES, "pg_ctl"), "promote", "-w", "-s", "-D", two]);
    },
    async remove() {
      for (const data of [one, two])
        await run([join(BINARIES, "pg_ctl"), "stop", "-m", "immediate", "-s", "-D", data]).catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has gone with its postmaster.
  }
}

/** Child processes whose title has the word in it (proc(5)). */
function childrenNamed(parent: number, word: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        const title = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return new RegExp(`^PPid:\\s+${parent}$`, "m").test(status) && title.includes(word);
      } catch {
        return false;
      }
    });
}

async function run(command: readonly string[], prefix: readonly string[] = AS_OWNER): Promise<void> {
  const child = Bun.spawn([...prefix, ...command], {
    cwd: tmpdir(),
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`${command[0]}: ${stderr}`);
}
