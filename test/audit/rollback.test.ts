// A log that went back under processes that serve, and what they do once somebody has accepted it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointMemory, openStatements } from "../../src/audit/checkpoint-memory.ts";
import { SYSTEM } from "../../src/runtime/outside.ts";
import { sha256 } from "../../src/runtime/sha256.ts";
import { openCheckpoint, signCheckpoint } from "../../src/tlog/checkpoint.ts";
import { Frontier } from "../../src/tlog/merkle.ts";
import { signNote } from "../../src/tlog/note.ts";
import { openRollback, signRollback } from "../../src/tlog/rollback.ts";
import { frontierAt, type TileReader } from "../../src/tlog/tiles.ts";
import {
  createStore,
  ENGINES,
  startServer,
  TEST_LOG_KEY,
  type TestServer,
  type TestStore,
  until,
} from "../support/harness.ts";
import { runDeadletter } from "../support/process.ts";

describe.each([...ENGINES])("a log that went back on %s", (engine) => {
  const scratch = mkdtempSync(join(tmpdir(), "deadletter-rollback-"));
  let store: TestStore;
  let servers: TestServer[];
  let key: string;
  let old: string;

  beforeAll(async () => {
    store = await createStore(engine);
    const first = await startServer(store);
    key = first.adminKey;
    // The embedded store is one process's; replicas have a data directory, and so a memory, of their own.
    const others = engine === "sqlite" ? [] : [await startServer(store, { DEADLETTER_DATA_DIR: join(scratch, "two") })];
    servers = [first, ...others];
    for (const { deadletter } of servers) {
      await deadletter.start();
      deadletter.ready();
    }
  });
  afterAll(async () => {
    for (const server of servers.toReversed()) await server.close();
    store.remove();
    rmSync(scratch, { recursive: true, force: true });
  });

  const call = (method: string, path: string, body?: unknown) =>
    (servers[0] as TestServer).call(method, path, body, { key });
  const follow = async ({ listeners }: TestServer, code: string) => {
    const answer = await fetch(`${listeners.baseUrl}/${code}`, { redirect: "manual" });
    return answer.headers.get("location") ?? answer.status;
  };
  const checkpoint = async () => (await call("GET", "/log/checkpoint")).text;
  const everywhere = async (claim: string, isTrue: (server: TestServer) => boolean | Promise<boolean>) => {
    for (const server of servers) await until(claim, () => isTrue(server));
  };
  const create = async (code: string, target: string) => {
    const { status } = await call("POST", "/urls", { original_url: target, short_code: code });
    expect(status).toBe(201);
    await until("it is in the log", async () => (await call("GET", "/log/status")).json.backlog === 0);
    const { size } = openCheckpoint(await checkpoint(), TEST_LOG_KEY);
    await everywhere("it is heard", ({ deadletter }) => deadletter.auditLog.feed.next === size);
    await everywhere("it is remembered", ({ deadletter }) => deadletter.auditLog.refusal() === undefined);
  };
  /** As an asynchronous standby has it: the newest link and its event were never there. */
  const loseNewest = async (code: string, head: string) => {
    const { size: entries } = openCheckpoint(head, TEST_LOG_KEY);
    await store.tamper(
      `delete from log_leaf where idx >= ${entries};
       delete from events where subject_type = 'url' and subject_id = (select id from urls where short_code = '${code}');
       delete from link_hosts where url_id = (select id from urls where short_code = '${code}');
       delete from link_targets where url_id = (select id from urls where short_code = '${code}');
       delete from urls where short_code = '${code}';
       update log_head set size = ${entries}, note = '${head}' where id = 1;
       update counters set value = value - 1 where (name, shard) in
         (select name, min(shard) from counters where name in ('events:url:created', 'links:active') group by name)`,
      { guardsOff: true },
    );
  };
  const run = (...words: string[]) => runDeadletter(words, store.environment);

  test("is not followed, and its links are asked of the store", async () => {
    await create("kept", "https://a.b/kept");
    const before = await checkpoint();
    await create("lost", "https://a.b/lost");
    old = await checkpoint();
    writeFileSync(join(scratch, "old"), old);
    for (const server of servers) expect(await follow(server, "lost")).toBe("https://a.b/lost");
    await loseNewest("lost", before);
    await everywhere("it is not followed", ({ deadletter }) => deadletter.auditLog.feed.refusal !== undefined);
    await everywhere("what is lost does not redirect", async (server) => (await follow(server, "lost")) === 404);
    await everywhere("what is kept does", async (server) => (await follow(server, "kept")) === "https://a.b/kept");
    await until(
      "it is refused",
      async () => (await call("POST", "/urls", { original_url: "https://a.b/" })).status === 503,
    );
  });

  test("is accepted by a command that says what is given up, while processes serve", async () => {
    await until("it is written down", () => readFileSync(join(store.config.dataDir, "checkpoint"), "utf8") === old);
    expect(await run("log", "accept-rollback")).toMatchObject({ exitCode: 2 });
    const words = ["log", "accept-rollback", "--reason", "the standby was promoted"];
    const dry = await run(...words, "--dry-run");
    expect(dry).toMatchObject({ exitCode: 0, stderr: "" });
    const lost = openCheckpoint(old, TEST_LOG_KEY).size - 1;
    expect(dry.stdout).toStartWith(
      `the log of ${lost + 1} entries, at least 1 of them lost, would be given up; the log goes on from`,
    );
    expect((await call("GET", "/log/rollbacks/1")).status).toBe(404);
    // A statement that was not accepted is not handed out, and where it cannot be written nothing is accepted.
    expect(JSON.parse((await run(...words, "--dry-run", "--json")).stdout)).not.toHaveProperty("statement");
    expect(await run(...words, "--out", join(scratch, "old"))).toMatchObject({ exitCode: 4 });
    expect(await run(...words, "--out", join(scratch, "nowhere/statement"))).toMatchObject({ exitCode: 2 });
    expect((await call("GET", "/log/rollbacks/1")).status).toBe(404);
    const done = await run(...words, "--json", "--out", join(scratch, "statement"));
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(done.stdout)).toMatchObject({ epoch: 1, old_size: lost + 1, new_size: lost, dry_run: false });
    expect((await call("GET", "/log/rollbacks/1")).text).toBe(readFileSync(join(scratch, "statement"), "utf8"));
    await everywhere("every process goes on", ({ deadletter }) => deadletter.auditLog.refusal() === undefined);
    await everywhere("in the new epoch", ({ deadletter }) => deadletter.auditLog.feed.place?.epoch === 1);
    // A second time there is nothing to accept.
    await until("the newest checkpoint is written down, behind which it did not go back", async () => {
      const again = await run(...words, "--checkpoint", join(store.config.dataDir, "checkpoint"));
      expect(again).toMatchObject({ exitCode: 4 });
      return again.stderr.includes("it did not go back behind it");
    });
    const twice = await run(...words, "--checkpoint", join(scratch, "old"));
    expect(twice).toMatchObject({ exitCode: 4 });
    expect(twice.stderr).toContain("was given up already, by the statement of epoch 1");
  });

  test("takes changes again, and a code that was lost leads where it leads now, on every replica", async () => {
    await create("lost", "https://a.b/again");
    for (const server of servers) expect(await follow(server, "lost")).toBe("https://a.b/again");
    const [event] = (await call("GET", "/events?event_type=created&per_page=2")).json.filter(
      ({ subject }: { subject: string }) => subject === "log:1",
    );
    expect(event).toMatchObject({
      subject: "log:1",
      reason: "the standby was promoted",
      details: { log: { epoch: 1 } },
    });
    const { rollback } = openStatements([event.details.log.statement], TEST_LOG_KEY)[0] as never as {
      rollback: { old: { size: number } };
    };
    expect(rollback.old.size).toBe(openCheckpoint(old, TEST_LOG_KEY).size);
  });

  test("verifies, an older checkpoint with the statement alone", async () => {
    expect(await (servers[0] as TestServer).verify()).toEqual([]);
    const kept = ["verify", "--quiet", "--checkpoint", join(scratch, "old")];
    expect(await run(...kept)).toMatchObject({ exitCode: 6 });
    expect(await run(...kept, "--rollback", join(scratch, "statement"))).toMatchObject({ exitCode: 0, stdout: "" });
    // It speaks of what was given up, and of nothing that came later.
    writeFileSync(join(scratch, "new"), signCheckpoint(TEST_LOG_KEY, { size: 500, root: new Uint8Array(32) }));
    const beyond = [
      "verify",
      "--quiet",
      "--checkpoint",
      join(scratch, "new"),
      "--rollback",
      join(scratch, "statement"),
    ];
    expect(await run(...beyond)).toMatchObject({ exitCode: 6 });
  });

  test("is refused again when it goes back once more: the first statement does not speak of that", async () => {
    const before = await checkpoint();
    await create("lost-too", "https://a.b/too");
    const newest = await checkpoint();
    await loseNewest("lost-too", before);
    await everywhere("it is not followed", ({ deadletter }) => deadletter.auditLog.feed.refusal !== undefined);
    await until(
      "it is refused",
      async () => (await call("POST", "/urls", { original_url: "https://a.b/" })).status === 503,
    );
    await until("it is written down", () => readFileSync(join(store.config.dataDir, "checkpoint"), "utf8") === newest);
    const done = await run("log", "accept-rollback", "--reason", "again", "--json");
    expect(JSON.parse(done.stdout)).toMatchObject({ epoch: 2 });
    await everywhere("every process goes on", ({ deadletter }) => deadletter.auditLog.refusal() === undefined);
    await create("last", "https://a.b/last");
    expect(await (servers[0] as TestServer).verify()).toEqual([]);
  });

  test("is remembered in its epoch by a process that starts later", async () => {
    for (const server of servers.toReversed()) await server.close();
    servers = [await startServer(store)];
    expect(servers[0]?.deadletter.auditLog.refusal()).toBeUndefined();
    const epoch = () => new CheckpointMemory(join(store.config.dataDir, "checkpoint"), TEST_LOG_KEY, SYSTEM).epoch;
    // Its sequencer writes it down with its first batch, which may be after it began to serve.
    await until("it is remembered", () => epoch() === 2);
  });
});

/** A log of so many entries, each another in each `history`. */
function treeOf(entries: number, history: number): { read: TileReader; root: Uint8Array } {
  const hashes = Array.from(
    { length: entries },
    (_, at) => new Uint8Array(new Bun.CryptoHasher("sha256").update(`${at < 80 ? 0 : history} ${at}`).digest()),
  );
  const frontier = new Frontier(sha256);
  for (const hash of hashes) frontier.append(hash);
  const read: TileReader = async ({ index, width }) => Buffer.concat(hashes.slice(index * 256, index * 256 + width));
  return { read, root: frontier.root };
}

describe("a memory of a checkpoint", () => {
  const at = "2026-11-26T09:30:00.000Z";
  const [oldTree, newTree] = [treeOf(100, 1), treeOf(120, 2)];
  const rootOf = async (tree: { read: TileReader }, size: number) => (await frontierAt(sha256, tree.read, size)).root;
  const remembering = (size: number, root: Uint8Array) => {
    const path = join(mkdtempSync(join(tmpdir(), "deadletter-memory-")), "checkpoint");
    const memory = new CheckpointMemory(path, TEST_LOG_KEY, SYSTEM);
    memory.remember({ size, root }, signCheckpoint(TEST_LOG_KEY, { size, root }));
    return memory;
  };
  const statement = async (epoch: number, oldSize: number, newSize: number) => {
    const rollback = {
      epoch,
      old: { size: oldSize, root: await rootOf(oldTree, oldSize) },
      new: { size: newSize, root: await rootOf(newTree, newSize) },
      at,
      reason: "a test",
    };
    return openStatements([signRollback(TEST_LOG_KEY, rollback)], TEST_LOG_KEY);
  };
  const outcome = (work: Promise<unknown>) =>
    work.then(
      () => "taken",
      (error: Error) => error.message,
    );

  test("takes another history where a statement gives up all that it remembers", async () => {
    const memory = remembering(100, oldTree.root);
    const head = { size: 120, root: newTree.root };
    expect(await outcome(memory.check(head, newTree.read))).toContain("it was forked");
    expect(await outcome(memory.check(head, newTree.read, await statement(1, 99, 90)))).toContain("it was forked");
    expect(await outcome(memory.check(head, newTree.read, await statement(1, 100, 90)))).toBe("taken");
    expect(memory.epoch).toBe(0);
    memory.remember(head, signCheckpoint(TEST_LOG_KEY, head));
    expect(memory.epoch).toBe(1);
    memory.flush();
  });

  test("does not take a statement twice, nor one whose log is another", async () => {
    const memory = remembering(100, oldTree.root);
    const first = await statement(1, 100, 90);
    await memory.check({ size: 120, root: newTree.root }, newTree.read, first);
    memory.remember({ size: 120, root: newTree.root }, signCheckpoint(TEST_LOG_KEY, { size: 120, root: newTree.root }));
    const back = { size: 95, root: await rootOf(newTree, 95) };
    expect(await outcome(memory.check(back, newTree.read, first))).toContain("was restored from an older state");
    const third = treeOf(130, 3);
    expect(
      await outcome(remembering(100, oldTree.root).check({ size: 130, root: third.root }, third.read, first)),
    ).toContain("it was forked");
  });

  test("of a host that saw less than was given up goes on as well; of one that saw more does not", async () => {
    const given = await statement(1, 90, 85);
    const head = { size: 120, root: newTree.root };
    expect(await outcome(remembering(85, await rootOf(oldTree, 85)).check(head, newTree.read, given))).toBe("taken");
    expect(await outcome(remembering(95, await rootOf(oldTree, 95)).check(head, newTree.read, given))).toContain(
      "it was forked",
    );
  });

  test("opens no statement of which one character is another", async () => {
    const [{ note } = { note: "" }] = await statement(1, 100, 90);
    expect(openRollback(note, TEST_LOG_KEY)).toMatchObject({ epoch: 1, at, reason: "a test" });
    expect(() => openCheckpoint(note, TEST_LOG_KEY)).toThrow();
    const end = note.lastIndexOf("\n\n");
    const [first, origin, , old, from, ...rest] = note.slice(0, end + 1).split("\n");
    const signed = (epoch: string, ...trees: (string | undefined)[]) =>
      signNote(TEST_LOG_KEY, [first, origin, epoch, ...trees, ...rest].join("\n"));
    expect(openRollback(signed("2", old, from), TEST_LOG_KEY).epoch).toBe(2);
    for (const bad of [signed("0", old, from), signed("1", "x", from), signed("1", old, "90 x")])
      expect(() => openRollback(bad, TEST_LOG_KEY)).toThrow("cannot be read");
    for (let at = 0; at < end; at++) {
      const changed = `${note.slice(0, at)}${note[at] === "0" ? "1" : "0"}${note.slice(at + 1)}`;
      expect(() => openRollback(changed, TEST_LOG_KEY)).toThrow();
    }
  });
});
