// Each write of the sequencer and of the spool, made to fail, and to fail after it happened; and what must hold after each.

import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectStore } from "../src/app/open-store.ts";
import { ClickRecorder } from "../src/clicks/click-recorder.ts";
import { Clicks } from "../src/clicks/clicks.ts";
import { newClickCounts } from "../src/clicks/metrics.ts";
import { apply } from "../src/operations/apply.ts";
import { SYSTEM } from "../src/runtime/outside.ts";
import { type Fault, Faults } from "./support/faulty.ts";
import { createStore, ENGINES, type Engine, startServer, type TestStore, until } from "./support/harness.ts";

const FAULTS: readonly Fault[] = ["fails", "fails after it happened"];

/** The sequencer's writes, in their order; those of its transaction by table, since the database itself refuses them. */
const SEQUENCER_WRITES = [
  ["log_leaf", "insert"],
  ["log_node", "insert"],
  ["log_queue", "delete"],
  ["log_head", "update"],
  ["commit"],
  ["notify"],
  ["replace"],
] as const;

describe.each([...ENGINES])("each write of the sequencer on %s", (engine) => {
  const rows = SEQUENCER_WRITES.flatMap((write) => FAULTS.map((fault) => [write.join(" "), fault, write] as const));

  test.each(rows)("%s: %s, and every event is in the log once, told once, and remembered", async (_, fault, write) => {
    const store = await createStore(engine);
    const faults = new Faults();
    const server = await startServer(
      store,
      {},
      {
        outside: { ...SYSTEM, files: faults.files(SYSTEM.files) },
        connect: async (config, clock) => faults.store(await connectStore(config, clock)),
      },
    );
    const { core, self, auditLog } = server.deadletter;
    const sequencer = auditLog.createSequencer();
    while ((await sequencer.runBatch()).isMore);
    const told: number[] = [];
    auditLog.feed.follow({ onEntries: (entries) => void told.push(...entries.map(({ idx }) => idx)) });
    auditLog.feed.start();
    await until("the log is followed", () => auditLog.feed.next !== undefined);
    const from = auditLog.feed.next ?? 0;
    // Enough for a full tile, whose hash is written as well.
    const links = Array.from({ length: 256 }, () => ({ type: "link.create", original_url: "https://a.b/" }) as const);
    await apply(core, self, links);
    const disarm = await arm(store, engine, { faults, write, fault });
    const failed = await sequenceOnce(sequencer);
    await disarm();
    // Whoever is not told by a notification finds out without it.
    expect([write[0], failed]).toEqual([write[0], write[0] !== "notify"]);
    while ((await sequencer.runBatch()).isMore);
    sequencer.flush();
    const { note } = (await store.query<{ note: string }>("select note from log_head"))[0] ?? { note: "" };
    await until("all is told", () => auditLog.feed.next === from + 256);
    expect(told).toEqual(Array.from({ length: 256 }, (_, at) => from + at));
    expect(readFileSync(join(store.config.dataDir, "checkpoint"), "utf8")).toBe(note);
    expect(await server.verify()).toEqual([]);
    expect(await sequencer.findRefusal()).toBeUndefined();
    await server.close();
    store.remove();
  });
});

/** What of it failed is tried again by whoever drives a sequencer. */
async function sequenceOnce(sequencer: { runBatch(): Promise<{ isMore: boolean }>; flush(): void }): Promise<boolean> {
  try {
    while ((await sequencer.runBatch()).isMore);
    sequencer.flush();
    return false;
  } catch {
    return true;
  }
}

interface Armed {
  readonly faults: Faults;
  readonly write: readonly [string, ("insert" | "update" | "delete")?];
  readonly fault: Fault;
}

/** A trigger for a statement, else a store or a file that fails; what takes it away. */
async function arm(store: TestStore, engine: Engine, { faults, write, fault }: Armed): Promise<() => Promise<void>> {
  const [name, statement] = write;
  if (statement === undefined) {
    faults.arm(name, fault);
    return () => Promise.resolve(faults.disarm());
  }
  const when = fault === "fails" ? "before" : "after";
  if (engine === "sqlite") {
    await store.tamper(
      `create trigger fail_here ${when} ${statement} on ${name} begin select raise(abort, 'injected'); end`,
    );
    return () => store.tamper("drop trigger fail_here");
  }
  await store.tamper(
    `create or replace function fail_here() returns trigger language plpgsql as $$ begin raise exception 'injected'; end $$;
     create trigger fail_here ${when} ${statement} on ${name} for each row execute function fail_here()`,
  );
  return () => store.tamper(`drop trigger fail_here on ${name}`);
}

/** The spool's writes, and the recorder's commit. */
const SPOOL_WRITES = ["makeFolder", "open", "append to the open file", "close", "commit", "remove"] as const;

describe("each write of the spool", () => {
  const rows = SPOOL_WRITES.flatMap((write) => FAULTS.map((fault) => [write, fault] as const));
  const request = new Request("http://localhost/x", { headers: { "user-agent": "Mozilla/5.0 (X11; Linux x86_64)" } });

  test.each(rows)("%s: %s, and every click is recorded once", async (write, fault) => {
    const { store, faults, folder, start, recorded, end } = await spoolScene();
    const { clicks, counts } = start();
    for (let round = 0; round < 6; round++) {
      if (round === 2) faults.arm(write, fault);
      for (let click = 0; click < 10; click++) clicks.add(1, request);
      await clicks.flush();
    }
    await until("it has failed and was tried again", async () => {
      await clicks.flush();
      return faults.count === 1 && counts.recorded === 60;
    });
    expect(counts).toEqual({ ...newClickCounts(), accepted: 60, recorded: 60 });
    await clicks.close();
    // Nothing is left that another start would count again.
    const next = start();
    next.clicks.start();
    await next.clicks.flush();
    await next.clicks.close();
    expect(await recorded()).toBe(60);
    await end(store, folder);
  });

  test.each(FAULTS)(
    "taking over what a dead process left (rename): %s, and every click is recorded once",
    async (fault) => {
      const { store, faults, folder, start, recorded, end } = await spoolScene();
      const dead = start();
      for (let click = 0; click < 10; click++) dead.clicks.add(1, request);
      // Journalled and not recorded: its store does not take anything.
      faults.arm("commit", "fails");
      await dead.clicks.flush();
      expect(dead.counts.spooled).toBe(10);
      faults.arm("rename", fault);
      const first = start();
      first.clicks.start();
      await first.clicks.flush();
      const second = start();
      second.clicks.start();
      await second.clicks.flush();
      expect(await recorded()).toBe(10);
      await end(store, folder);
    },
  );
});

async function spoolScene() {
  const testStore = await createStore("sqlite");
  const server = await startServer(testStore);
  await server.call("POST", "/urls", { original_url: "https://a.b/" });
  const faults = new Faults();
  const store = faults.store(server.deadletter.core.store);
  const folder = mkdtempSync(join(tmpdir(), "deadletter-faults-"));
  const start = () => {
    const counts = newClickCounts();
    const clicks = new Clicks({
      store,
      recorder: new ClickRecorder(store, 50, SYSTEM.clock),
      counts,
      folder: join(folder, "clicks"),
      retentionDays: 0,
      outside: { ...SYSTEM, files: faults.files(SYSTEM.files) },
      onError: () => undefined,
    });
    return { clicks, counts };
  };
  const recorded = async () =>
    (await testStore.query<{ clicks: number }>("select clicks from click_totals where url_id = 1"))[0]?.clicks;
  const end = async (_: unknown, path: string) => {
    await server.close();
    testStore.remove();
    rmSync(path, { recursive: true, force: true });
  };
  return { store, faults, folder, start, recorded, end };
}
