// Faults of the host: its disk, its files, its clock, its descriptors.

import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStore, startServer, until } from "../support/harness.ts";
import { createDatabase } from "../support/postgres.ts";
import { commandLine, runDeadletter } from "../support/process.ts";
import type { Fault, Scrapes } from "./fault.ts";
import { withScene } from "./scene.ts";

const NOTHING = "nothing acknowledged";
const HOUR_MS = 3_600_000;

export const HOST_FAULTS: readonly Fault[] = [
  {
    name: "The disk is full",
    store: "SQLite",
    client: "changes 503, nothing half done; redirects, reads and clicks go on",
    metric: "`deadletter_disk_free_bytes`",
    alerts: ["DeadletterDisk"],
    recovery: "free space; then by itself",
    lost: NOTHING,
    needs: "mounts",
    run: fillDisk,
  },
  {
    name: "The data directory may only be read",
    store: "SQLite",
    client:
      "a process that serves goes on with the files it has open, and cannot remember checkpoints; a start fails with one line",
    metric: "`up` 0, where it was started so",
    alerts: ["DeadletterDown"],
    recovery: "mount it for writing, start again",
    lost: NOTHING,
    needs: "mounts",
    run: mountReadOnly,
  },
  {
    name: "The embedded store's file is removed or replaced",
    store: "SQLite",
    client: "within 0.5 s: `/readyz` 503, changes 503; redirects go on from memory",
    metric: '`deadletter_log_alarms_total{kind="lost"}`',
    alerts: ["DeadletterLogAlarm"],
    recovery: "stop, put the file back or restore a backup, start",
    lost: "nothing, if the file is put back",
    run: () =>
      withScene({}, async (scene) => {
        const before = await scene.scrape();
        const file = join(scene.dataDir, "deadletter.db");
        renameSync(file, `${file}.away`);
        await until("it is noticed", async () => (await scene.create()) === 503);
        expect([await scene.follow("known"), await scene.status("GET", "/readyz")]).toEqual([302, 503]);
        await until(
          "there is an alarm",
          async () => (await scene.metric('deadletter_log_alarms_total{kind="lost"}')) === 1,
        );
        const during = await scene.scrape();
        await scene.end("SIGKILL");
        renameSync(`${file}.away`, file);
        await scene.startAgain();
        await scene.isWhole();
        return { before, during };
      }),
  },
  {
    name: "The data directory is removed",
    store: "PostgreSQL",
    client: "nothing: what is in the database is served and changed as ever",
    metric: "-",
    alerts: [],
    recovery:
      "by itself: it is made anew (0700) with the next clicks, and the newest checkpoint is written there again",
    lost: "clicks that waited in it; the database has all else",
    run: removeDataDirectory,
  },
  {
    name: "Files of waiting clicks are removed",
    store: "either",
    client: "nothing",
    metric: '`deadletter_clicks_dropped_total{reason="spool_lost"}`',
    alerts: ["DeadletterClicksDropped"],
    recovery: "nothing to do",
    lost: "those clicks, counted",
    run: removeClicks,
  },
  {
    name: "The clock is set an hour ahead",
    store: "either",
    client: "links whose expiry is within the hour are expired; all else as ever",
    metric: "-",
    alerts: [],
    recovery: "set it right: events keep the times they were given, and their order",
    lost: NOTHING,
    run: () => setClock(HOUR_MS),
  },
  {
    name: "The clock is set an hour back",
    store: "either",
    client: "links that expired within the hour redirect again; all else as ever",
    metric: "-",
    alerts: [],
    recovery: "set it right: events keep the times they were given, and their order",
    lost: NOTHING,
    run: () => setClock(-HOUR_MS),
  },
  {
    name: "Open files run out",
    store: "either",
    client: "idle connections are closed, then nothing is accepted until some are free; open requests go on",
    metric: "`deadletter_connection_guard_total`",
    alerts: ["DeadletterDescriptors"],
    recovery: "by itself once they are given back; raise `LimitNOFILE`",
    lost: NOTHING,
    run: takeDescriptors,
  },
  {
    name: "Somebody reads an old state of the embedded store for long",
    store: "SQLite",
    client: "nothing",
    metric: "`deadletter_sqlite_wal_held` 1, `deadletter_sqlite_wal_bytes` grows",
    alerts: ["DeadletterWal"],
    thresholds: { "wal-megabytes": "1" },
    recovery: "by itself once that reader has done",
    lost: NOTHING,
    run: holdWal,
  },
  {
    name: "The reader of standard output stops reading",
    store: "either",
    client: "nothing",
    metric: "`deadletter_log_lines_dropped_total`",
    alerts: ["DeadletterLogLinesDropped"],
    recovery: "restart the log collector",
    lost: "log lines, counted; no event",
    run: stopReading,
  },
];

function shell(...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

async function withMount(bytes: string, run: (folder: string) => Promise<Scrapes>): Promise<Scrapes> {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-mount-"));
  shell("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder);
  try {
    return await run(folder);
  } finally {
    shell("umount", "-l", folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

function fillDisk(): Promise<Scrapes> {
  return withMount("16m", (folder) =>
    withScene({ environment: { DEADLETTER_DATA_DIR: join(folder, "data") } }, async (scene) => {
      const before = await scene.scrape();
      const filler = join(folder, "filler");
      try {
        writeFileSync(filler, new Uint8Array(16 * 2 ** 20));
      } catch {
        // As intended: not a byte is left.
      }
      await until("changes are refused", async () => (await scene.create()) === 503, 20_000);
      expect([await scene.follow("known"), await scene.status("GET", "/urls")]).toEqual([302, 200]);
      const during = await scene.scrape();
      rmSync(filler);
      await scene.isWhole();
      return { before, during };
    }),
  );
}

function mountReadOnly(): Promise<Scrapes> {
  return withMount("32m", (folder) =>
    withScene({ environment: { DEADLETTER_DATA_DIR: join(folder, "data") } }, async (scene) => {
      const before = await scene.scrape();
      expect(await scene.end()).toBe(0);
      shell("mount", "-o", "remount,ro", folder);
      const start = await runDeadletter(["serve"], scene.environment);
      expect([start.exitCode, start.stderr.trim().split("\n").length <= 2]).toEqual([7, true]);
      const during = await scene.scrape();
      shell("mount", "-o", "remount,rw", folder);
      await scene.startAgain();
      await scene.isWhole();
      return { before, during };
    }),
  );
}

async function removeDataDirectory(): Promise<Scrapes> {
  return withScene({ url: await createDatabase() }, async (scene) => {
    const before = await scene.scrape();
    rmSync(scene.dataDir, { recursive: true, force: true });
    expect([await scene.create("after"), await scene.follow("after"), await scene.follow("known")]).toEqual([
      201, 302, 302,
    ]);
    const clicks = async () => ((await (await scene.call("GET", "/urls/after")).json()) as { clicks: number }).clicks;
    await until("the click is recorded all the same", async () => (await clicks()) === 1);
    await until("the checkpoint is remembered again", () => existsSync(join(scene.dataDir, "checkpoint")));
    expect(statSync(scene.dataDir).mode & 0o777).toBe(0o700);
    const during = await scene.scrape();
    await scene.end();
    await scene.startAgain();
    await scene.isWhole();
    return { before, during };
  });
}

async function removeClicks(): Promise<Scrapes> {
  return withScene({}, async (scene) => {
    const before = await scene.scrape();
    const folder = join(scene.dataDir, "clicks");
    // Clicks wait where the writer is held by somebody else.
    const holder = new Database(join(scene.dataDir, "deadletter.db"));
    holder.run("begin immediate");
    try {
      // The first is read and waits for the writer; those after it wait in their file.
      await scene.follow("known");
      await until("a file waits", () => existsSync(folder) && readdirSync(folder).length > 0);
      await Bun.sleep(600);
      await scene.follow("known");
      await until("another one does", () => readdirSync(folder).length > 1);
      for (const name of readdirSync(folder)) rmSync(join(folder, name));
    } finally {
      holder.run("rollback");
      holder.close();
    }
    const series = 'deadletter_clicks_dropped_total{reason="spool_lost"}';
    await until("they are counted", async () => {
      await scene.follow("known");
      return ((await scene.metric(series)) ?? 0) > 0;
    });
    const during = await scene.scrape();
    await scene.isWhole();
    return { before, during };
  });
}

async function setClock(byMs: number): Promise<Scrapes> {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  try {
    const { call, sequence, verify } = server;
    const link = { original_url: "https://example.com/" };
    const soon = { ...link, short_code: "soon", expires_at: new Date(Date.now() + HOUR_MS / 2).toISOString() };
    expect((await call("POST", "/urls", soon)).status).toBe(201);
    expect((await call("POST", "/urls", { ...link, short_code: "known" })).status).toBe(201);
    await sequence();
    const scrape = async () => (await call("GET", "/metrics")).text;
    const before = await scrape();
    server.setClock(() => Date.now() + byMs);
    expect((await call("GET", "/known")).status).toBe(302);
    expect((await call("GET", "/soon")).status).toBe(byMs > 0 ? 404 : 302);
    expect((await call("PATCH", "/urls/known", { title: "meanwhile" })).status).toBe(200);
    await sequence();
    const during = await scrape();
    server.setClock(Date.now);
    expect((await call("GET", "/soon")).status).toBe(302);
    expect((await call("PATCH", "/urls/known", { title: "afterwards" })).status).toBe(200);
    await sequence();
    expect(await verify()).toEqual([]);
    const { events } = (await call("GET", "/urls/known")).json as { events: { version: number }[] };
    expect(events.map(({ version }) => version)).toEqual([1, 2, 3]);
    return { before, during };
  } finally {
    await server.close();
    store.remove();
  }
}

async function takeDescriptors(): Promise<Scrapes> {
  const command = ["sh", "-c", 'ulimit -n 200; exec "$@"', "sh", ...commandLine()];
  return withScene({ command }, async (scene) => {
    const before = await scene.scrape();
    const port = Number(new URL(scene.served.url).port);
    const open = () =>
      new Promise<Socket | undefined>((resolve) => {
        // Never a whole request: nobody may close it as idle.
        const socket = connect(port, "127.0.0.1", () => {
          socket.write("GET /known HTTP/1.1\r\nHost: x\r\nX-Slow: ");
          resolve(socket);
        });
        socket.on("error", () => resolve(undefined));
        setTimeout(() => resolve(undefined), 2_000).unref();
      });
    const sockets: (Socket | undefined)[] = [];
    for (let round = 0; round < 4; round++) sockets.push(...(await Promise.all(Array.from({ length: 100 }, open))));
    await Bun.sleep(500);
    expect(scene.served.child.exitCode).toBeNull();
    for (const socket of sockets) socket?.destroy();
    await scene.isWhole();
    return { before, during: await scene.scrape() };
  });
}

async function holdWal(): Promise<Scrapes> {
  return withScene({ environment: { DEADLETTER_WAL_MEGABYTES: "1" } }, async (scene) => {
    const before = await scene.scrape();
    const reader = new Database(join(scene.dataDir, "deadletter.db"), { readonly: true });
    reader.run("begin");
    reader.query("select count(*) from urls").get();
    const isLarge = async () => {
      await Promise.all(Array.from({ length: 64 }, () => scene.create()));
      return ((await scene.metric("deadletter_sqlite_wal_bytes")) ?? 0) > 2 * 2 ** 20;
    };
    await until("it has grown", isLarge, 30_000);
    await until("it is said to be held", async () => (await scene.metric("deadletter_sqlite_wal_held")) === 1);
    expect(await scene.follow("known")).toBe(302);
    const during = await scene.scrape();
    reader.run("rollback");
    reader.close();
    await until(
      "it begins anew",
      async () => {
        await scene.create();
        return ((await scene.metric("deadletter_sqlite_wal_bytes")) ?? 0) < 2 ** 20;
      },
      20_000,
    );
    await scene.isWhole();
    return { before, during };
  });
}

async function stopReading(): Promise<Scrapes> {
  const fifo = join(mkdtempSync(join(tmpdir(), "deadletter-fifo-")), "out");
  shell("mkfifo", fifo);
  chmodSync(fifo, 0o600);
  // A reader that takes nothing, for as long as it lives.
  const reader = Bun.spawn(["sh", "-c", `exec sleep 300 < "${fifo}"`], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const command = ["sh", "-c", `exec "$@" > "${fifo}"`, "sh", ...commandLine()];
  try {
    return await withScene({ command, environment: { LOG_LEVEL: "info" } }, async (scene) => {
      const before = await scene.scrape();
      const isFull = async () => {
        await Promise.all(Array.from({ length: 200 }, () => scene.status("GET", "/whoami")));
        return ((await scene.metric("deadletter_log_lines_dropped_total")) ?? 0) > 0;
      };
      await until("lines are dropped", isFull, 60_000);
      expect(await scene.follow("known")).toBe(302);
      const during = await scene.scrape();
      await scene.isWhole();
      return { before, during };
    });
  } finally {
    reader.kill();
    await reader.exited;
    rmSync(fifo, { force: true });
  }
}
