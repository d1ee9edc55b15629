// Two PostgreSQL 15 under Patroni, with etcd, on loopback: the leader is killed and another takes over, by themselves.

import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./harness.ts";
import { freePort } from "./postgres.ts";
import { childrenOf } from "./process.ts";

const BINARIES = "/usr/lib/postgresql/15/bin";

export function hasPatroni(): boolean {
  const path = `${process.env.PATH}:/usr/sbin:${BINARIES}`;
  return ["patroni", "etcd", "pg_basebackup"].every((program) => Bun.which(program, { PATH: path }) !== null);
}

interface Node {
  readonly name: string;
  readonly port: number;
  readonly api: number;
  readonly folder: string;
  child: Bun.Subprocess;
}

export interface PatroniCluster {
  /** Of whichever takes changes. */
  readonly url: string;
  /** Kills the leader: its PostgreSQL alone, or Patroni as well, as a machine that is gone. Its name. */
  killLeader(isMachineGone: boolean): Promise<string>;
  /** Starts again what was killed, and waits until there is a leader with a synchronous standby. */
  heal(): Promise<void>;
  remove(): Promise<void>;
}

interface Member {
  readonly name: string;
  readonly role: string;
  readonly state: string;
}

export async function startPatroni(): Promise<PatroniCluster> {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-patroni-"));
  const [uid, gid] = ownerIds();
  chmodSync(folder, 0o755);
  const [clientPort, peerPort] = [await freePort(), await freePort()];
  const etcd = Bun.spawn(
    [
      ...["etcd", "--data-dir", join(folder, "etcd"), "--unsafe-no-fsync"],
      ...[
        "--listen-client-urls",
        `http://127.0.0.1:${clientPort}`,
        "--advertise-client-urls",
        `http://127.0.0.1:${clientPort}`,
      ],
      ...["--listen-peer-urls", `http://127.0.0.1:${peerPort}`],
    ],
    { stdin: "ignore", stdout: "ignore", stderr: "ignore" },
  );
  const start = (node: Pick<Node, "name">) =>
    Bun.spawn([...asOwner(), "patroni", join(folder, `${node.name}.yml`)], {
      cwd: folder,
      env: { ...process.env, PATH: `${BINARIES}:${process.env.PATH}` },
      stdin: "ignore",
      stdout: "ignore",
      stderr: Bun.file(join(folder, `${node.name}.log`)),
    });
  const nodes: Node[] = [];
  for (const name of ["a", "b"]) {
    const own = join(folder, name);
    const node = { name, port: await freePort(), api: await freePort(), folder: own };
    writeFileSync(join(folder, `${name}.yml`), configOf(node, clientPort));
    writeFileSync(join(folder, `${name}.log`), "");
    Bun.spawnSync(["mkdir", "-m", "0700", own]);
    chownSync(own, uid, gid);
    chownSync(join(folder, `${name}.log`), uid, gid);
    nodes.push({ ...node, child: start(node) });
  }
  const members = async (): Promise<readonly Member[]> => {
    for (const { api } of nodes) {
      const answer = await fetch(`http://127.0.0.1:${api}/cluster`, { signal: AbortSignal.timeout(1_000) }).catch(
        () => undefined,
      );
      if (answer?.ok) return ((await answer.json()) as { members: Member[] }).members;
    }
    return [];
  };
  const isWhole = async () => {
    const all = await members();
    const standby = all.find(({ role }) => role === "sync_standby");
    return (
      all.some(({ role, state }) => role === "leader" && state === "running") &&
      standby?.state !== undefined &&
      /running|streaming/.test(standby.state)
    );
  };
  await until("there is a leader with a synchronous standby", isWhole, 90_000);
  return {
    url: `postgres://postgres:secret@${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}/postgres?target_session_attrs=read-write`,
    async killLeader(isMachineGone) {
      const leader = (await members()).find(({ role }) => role === "leader");
      const node = nodes.find(({ name }) => name === leader?.name);
      if (!node) throw new Error("there is no leader");
      if (isMachineGone) for (const pid of [patroniOf(node.child.pid), node.child.pid]) kill(pid);
      for (const pid of postgresOf(node)) kill(pid);
      return node.name;
    },
    async heal() {
      for (const node of nodes) {
        if (node.child.exitCode === null && isRunning(patroniOf(node.child.pid))) continue;
        kill(node.child.pid);
        await node.child.exited;
        node.child = start(node);
      }
      await until("it is whole again", isWhole, 90_000);
    },
    async remove() {
      for (const node of nodes) {
        for (const pid of [patroniOf(node.child.pid), node.child.pid, ...postgresOf(node)]) kill(pid);
        await node.child.exited;
      }
      etcd.kill();
      await etcd.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configOf({ name, port, api, folder }: Omit<Node, "child">, etcdPort: number): string {
  return JSON.stringify({
    scope: "deadletter",
    name,
    restapi: { listen: `127.0.0.1:${api}`, connect_address: `127.0.0.1:${api}` },
    etcd3: { hosts: [`127.0.0.1:${etcdPort}`] },
    bootstrap: {
      dcs: {
        // The least that Patroni takes.
        ttl: 20,
        loop_wait: 2,
        retry_timeout: 5,
        // A PostgreSQL that crashes is not waited for.
        primary_start_timeout: 0,
        master_start_timeout: 0,
        synchronous_mode: true,
        postgresql: {
          use_pg_rewind: true,
          parameters: { wal_log_hints: "on", max_connections: 100, shared_buffers: "64MB", wal_keep_size: "256MB" },
        },
      },
      initdb: [{ encoding: "UTF8" }, "data-checksums", { locale: "C" }],
      pg_hba: ["host replication all 127.0.0.1/32 md5", "host all all 127.0.0.1/32 md5"],
    },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      data_dir: join(folder, "data"),
      bin_dir: BINARIES,
      pgpass: join(folder, "pgpass"),
      parameters: { unix_socket_directories: folder },
      authentication: {
        superuser: { username: "postgres", password: "secret" },
        replication: { username: "replicator", password: "secret" },
        rewind: { username: "rewinder", password: "secret" },
      },
    },
  });
}

function asOwner(): string[] {
  return process.getuid?.() === 0 ? ["runuser", "-u", "postgres", "--"] : [];
}

function ownerIds(): [number, number] {
  const [uid = "0", gid = "0"] = ["-u", "-g"].map((flag) =>
    process.getuid?.() === 0
      ? Bun.spawnSync(["id", flag, "postgres"]).stdout.toString().trim()
      : Bun.spawnSync(["id", flag]).stdout.toString().trim(),
  );
  return [Number(uid), Number(gid)];
}

/** runuser may stay above what it starts. */
function patroniOf(pid: number): number {
  try {
    const isRunuser = readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("runuser");
    return isRunuser ? (childrenOf(pid)[0] ?? pid) : pid;
  } catch {
    return pid;
  }
}

/** The postmaster, which is no child of Patroni's, and all of its. */
function postgresOf({ folder }: Pick<Node, "folder">): number[] {
  try {
    const postmaster = Number(readFileSync(join(folder, "data/postmaster.pid"), "utf8").split("\n")[0]);
    return [postmaster, ...childrenOf(postmaster)];
  } catch {
    return [];
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has gone already.
  }
}
