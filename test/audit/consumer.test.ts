// Durable consumers: what each is given, whoever runs it and however that one ends. CONSUMER_KILLS=50 is the number for the record.

import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Consumer } from "../../src/audit/consumer.ts";
import { SYSTEM } from "../../src/runtime/outside.ts";
import type { TailRow } from "../../src/store/queries/log.ts";
import { openCheckpoint } from "../../src/tlog/checkpoint.ts";
import { createStore, describeEachEngine, startServer, TEST_LOG_KEY, until } from "../support/harness.ts";
import { runDeadletter } from "../support/process.ts";

const KILLS = Number(process.env.CONSUMER_KILLS ?? 50);

describeEachEngine("a durable consumer", (server) => {
  const create = () => server().call("POST", "/urls", { original_url: "https://a.b/" });
  const consumer = (take: (entries: readonly TailRow[]) => Promise<void>, leaseMs = 10_000) => {
    const { core, auditLog } = server().deadletter;
    const failures: unknown[] = [];
    const { store } = core;
    const { feed } = auditLog;
    const options = {
      name: "c",
      store,
      feed,
      ...SYSTEM,
      take,
      leaseMs,
      onFailure: (error: unknown) => failures.push(error),
    };
    return Object.assign(new Consumer(options), { failures });
  };

  test("is given every entry from the first one on, in order, once it is there, and knows how far behind it is", async () => {
    await create();
    await server().sequence();
    const given: number[] = [];
    const one = consumer(async (entries) => void given.push(...entries.map(({ idx }) => idx)));
    one.start();
    const size = async () => (await server().call("GET", "/log/status")).json.size as number;
    await until("it has what there is", async () => given.length === (await size()));
    await create();
    await server().sequence();
    await until("it has what came later", async () => given.length === (await size()) && one.lag === 0);
    expect(given).toEqual(given.map((_, at) => at));
    await one.close();
  });

  test("is given again what it failed to take, and nothing of it before", async () => {
    await create();
    await server().sequence();
    let isBroken = true;
    const taken: number[] = [];
    const one = consumer(async (entries) => {
      if (isBroken) throw new Error("not now");
      taken.push(...entries.map(({ idx }) => idx));
    });
    one.start();
    await until("it has failed", () => one.failures.length > 0);
    isBroken = false;
    await until("it is given again", () => taken.length === 1);
    await one.close();
  });

  test("keeps its lease however long it takes, and another that waits is given nothing meanwhile", async () => {
    await create();
    await server().sequence();
    const taken: string[] = [];
    const slow = (name: string) =>
      consumer(async (entries) => {
        await Bun.sleep(900);
        taken.push(...entries.map(({ idx }) => `${name} ${idx}`));
      }, 300);
    const [one, other] = [slow("one"), slow("other")];
    one.start();
    await until("one holds the lease", async () => {
      const [row] = await server().store.query<{ holder: string }>("select holder from log_cursors where name = 'c'");
      return row?.holder !== "";
    });
    other.start();
    await until("it is taken", () => taken.length > 0 && one.lag === 0);
    expect(new Set(taken.map((each) => each.split(" ")[1])).size).toBe(taken.length);
    await Promise.all([one.close(), other.close()]);
    expect([...one.failures, ...other.failures]).toEqual([]);
  });

  test("is given what took an entry's place while it took that one: the store went back meanwhile", async () => {
    await create();
    await server().sequence();
    const { store, deadletter } = server();
    const [last] = await store.query<{ idx: number; leaf_hash: Uint8Array }>(
      "select idx, leaf_hash from log_leaf order by idx desc limit 1",
    );
    const hashes: string[] = [];
    const swap = (hash: Uint8Array) =>
      store.tamper(`update log_leaf set leaf_hash = ${store.literal(hash)} where idx = ${last?.idx}`, {
        guardsOff: true,
      });
    const one = consumer(async (entries) => {
      const { idx, leaf_hash } = entries.at(-1) as TailRow;
      if (idx !== last?.idx) return;
      hashes.push(Buffer.from(leaf_hash).toString("hex"));
      if (hashes.length === 1) await swap(new Uint8Array(32));
    });
    one.start();
    await until("it is given the other", () => hashes.length > 1);
    await one.close();
    expect(hashes[1]).toBe("00".repeat(32));
    await swap(last?.leaf_hash ?? new Uint8Array());
    await until("the log is the one that was told again", () => deadletter.auditLog.feed.refusal === undefined);
  });

  test("is run by one process at a time, by another once that one has let go or was silent for its lease", async () => {
    const ran: string[] = [];
    const named = (name: string, leaseMs: number) => consumer(async () => void ran.push(name), leaseMs);
    const first = named("first", 600);
    first.start();
    await create();
    await server().sequence();
    await until("the first runs", () => ran.includes("first"));
    const second = named("second", 600);
    second.start();
    await create();
    await server().sequence();
    await until("the first goes on", () => ran.length === 2);
    await first.close();
    await create();
    await server().sequence();
    await until("the second takes over", () => ran.includes("second"));
    expect(ran).toEqual(["first", "first", "second"]);
    await second.close();
  });
});

describe("a durable consumer that is killed again and again", () => {
  test(`${KILLS} times, across a log that went back: has every event at least once, in order`, async () => {
    const store = await createStore("sqlite");
    const server = await startServer(store);
    await server.deadletter.start();
    server.deadletter.ready();
    const folder = mkdtempSync(join(tmpdir(), "deadletter-consumer-"));
    const file = join(folder, "given");
    const kills = { count: 0, isOver: false };
    const killing = killAgainAndAgain(store.environment, file, kills);
    const create = (code?: string) =>
      server.call("POST", "/urls", { original_url: "https://a.b/", ...(code ? { short_code: code } : {}) });
    const settle = () =>
      until("all is in the log", async () => (await server.call("GET", "/log/status")).json.backlog === 0);
    while (kills.count < KILLS / 2) {
      await create();
      await Bun.sleep(10);
    }
    await settle();
    const head = (await server.call("GET", "/log/checkpoint")).text;
    await create("lost");
    await settle();
    const { size } = openCheckpoint(head, TEST_LOG_KEY);
    await until("what will be lost was given", () => given(file).some(({ idx }) => idx === size));
    // The store as an older backup has it: cursors are part of it.
    await store.tamper(
      `delete from log_leaf where idx >= ${size};
       delete from log_queue where event_id in (select id from events where subject_id = (select id from urls where short_code = 'lost'));
       delete from events where subject_type = 'url' and subject_id = (select id from urls where short_code = 'lost');
       delete from link_hosts where url_id = (select id from urls where short_code = 'lost');
       delete from link_targets where url_id = (select id from urls where short_code = 'lost');
       delete from urls where short_code = 'lost';
       update log_head set size = ${size}, note = '${head}' where id = 1;
       update counters set value = value - 1 where name in ('events:url:created', 'links:active');
       update log_cursors set next_index = min(next_index, ${size})`,
      { guardsOff: true },
    );
    await until("it is refused", async () => (await create()).status === 503);
    await until("it is accepted", async () => {
      const { exitCode } = await runDeadletter(["log", "accept-rollback", "--reason", "a test"], store.environment);
      return exitCode === 0;
    });
    await until("changes are taken", async () => (await create()).status === 201);
    while (kills.count < KILLS) {
      await create();
      await Bun.sleep(10);
    }
    await settle();
    const leaves = await store.query<{ idx: number; hash: string }>(
      "select idx, hex(leaf_hash) as hash from log_leaf order by idx",
    );
    const hasAll = () => {
      const hashes = new Set(given(file).map(({ hash }) => hash));
      return leaves.every(({ hash }) => hashes.has(hash));
    };
    await until("it was given everything", hasAll, 20_000);
    kills.isOver = true;
    await killing;
    checkOrder(given(file));
    console.log(`      ${leaves.length} entries, ${given(file).length} given, ${kills.count} kills`);
    expect(kills.count).toBeGreaterThanOrEqual(KILLS);
    await server.close();
    store.remove();
    rmSync(folder, { recursive: true });
  }, 300_000);
});

async function killAgainAndAgain(
  environment: Record<string, string>,
  file: string,
  kills: { count: number; isOver: boolean },
): Promise<void> {
  const script = join(import.meta.dir, "../support/consume.ts");
  while (!kills.isOver) {
    const child = Bun.spawn([process.execPath, script, file], {
      env: { PATH: process.env.PATH ?? "", ...environment },
      stdout: "pipe",
      stderr: "inherit",
    });
    const reader = child.stdout.getReader();
    await reader.read();
    await Bun.sleep(Math.random() * 250);
    child.kill("SIGKILL");
    await child.exited;
    kills.count += 1;
  }
}

interface Given {
  readonly epoch: number;
  readonly idx: number;
  readonly hash: string;
}

function given(file: string): Given[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  // The last one may have been cut short by a kill.
  return lines.slice(0, -1).flatMap((line) => {
    const [epoch = "", idx = "", hash = ""] = line.split(" ");
    return hash.length === 43
      ? [{ epoch: Number(epoch), idx: Number(idx), hash: Buffer.from(hash, "base64url").toString("hex").toUpperCase() }]
      : [];
  });
}

/** No entry before the one that it follows; again from an earlier one on after a kill. */
function checkOrder(all: readonly Given[]): void {
  for (const [epoch, entries] of Map.groupBy(all, (each) => each.epoch)) {
    let furthest = epoch === 0 ? -1 : (entries[0]?.idx ?? 0) - 1;
    for (const { idx } of entries) {
      expect([epoch, idx, idx <= furthest + 1]).toEqual([epoch, idx, true]);
      furthest = Math.max(furthest, idx);
    }
  }
}
