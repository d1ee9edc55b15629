// Clicks by themselves: every one that was accepted is found again, in a row, in a file, or among those that were dropped.

import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { framesOf, rowsOf, writeFrame } from "../../src/clicks/click-frames.ts";
import type { ClickBatch, Recorder } from "../../src/clicks/click-recorder.ts";
import { ClickTable } from "../../src/clicks/click-table.ts";
import { Clicks } from "../../src/clicks/clicks.ts";
import { newClickCounts } from "../../src/clicks/metrics.ts";
import { Spool } from "../../src/clicks/spool.ts";
import { ThreadedRecorder } from "../../src/clicks/threaded-recorder.ts";
import { VisitorTable } from "../../src/clicks/visitor.ts";
import { LIMITS } from "../../src/limits.ts";
import { SYSTEM } from "../../src/runtime/outside.ts";
import { StoreError } from "../../src/store/store.ts";
import { createStore, describeEachEngine, startServer, until } from "../support/harness.ts";

const folders: string[] = [];

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "deadletter-clicks-"));
  folders.push(path);
  return path;
}

afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

const request = (headers: Record<string, string> = {}) => new Request("http://127.0.0.1/abc", { headers });

describe("a frame", () => {
  test("holds what the table counted, and the table is empty after", () => {
    const visitors = new VisitorTable();
    const numbers = ["a.example", "b.example"].map((host) =>
      visitors.numberOf(request({ referer: `https://${host}/x`, "user-agent": "Mozilla/5.0 (X11; Linux x86_64)" })),
    );
    const table = new ClickTable();
    const truth = new Map<string, number>();
    for (let click = 0; click < 20_000; click++) {
      const urlId = 1 + ((click * 7_919) % 3_000) * (click % 2 === 0 ? 1 : 2 ** 25);
      const at = click % 2;
      table.add(urlId, numbers[at] ?? 0);
      const name = `${urlId} ${at === 0 ? "a.example" : "b.example"}`;
      truth.set(name, (truth.get(name) ?? 0) + 1);
    }
    expect(table.rows).toBe(truth.size);
    const bytes = writeFrame(497_000, table, (number) => visitors.visitor(number));
    const [frame, ...more] = [...framesOf(bytes)];
    expect(more).toEqual([]);
    if (!frame) throw new Error("there is no frame");
    const rows = rowsOf(frame);
    expect(new Map(rows.map(({ url_id, referrer, clicks }) => [`${url_id} ${referrer}`, clicks]))).toEqual(truth);
    expect(rows[0]).toMatchObject({ hour: 497_000, kind: "click", device: "desktop" });
    table.clear();
    expect([table.rows, table.clicks, table.visitors()]).toEqual([0, 0, []]);
  });

  test("that was cut short anywhere is left out, and those before it are read", () => {
    const table = new ClickTable();
    for (let urlId = 1; urlId <= 10; urlId++) table.add(urlId, 0);
    const frame = writeFrame(1, table, () => ({ kind: "click", device: "other", referrer: "" }));
    for (let cut = 0; cut < frame.length; cut++)
      expect([...framesOf(Buffer.concat([frame, frame.subarray(0, cut)]))].map(({ clicks }) => clicks)).toEqual([10]);
  });

  test("that is damaged ends what is read: zeros, numbers that are none, counts that are not those of its head", () => {
    const table = new ClickTable();
    for (let urlId = 1; urlId <= 10; urlId++) table.add(urlId, 0);
    const frame = writeFrame(1, table, () => ({ kind: "click", device: "other", referrer: "" }));
    const bodyAt = frame.indexOf(10) + 1;
    const damage: ((bytes: Buffer) => unknown)[] = [
      (bytes) => bytes.fill(0, bodyAt),
      (bytes) => bytes.fill(0, bodyAt + 8, bodyAt + 16),
      (bytes) => bytes.writeDoubleLE(Number.NaN, bodyAt + 16),
      (bytes) => bytes.writeDoubleLE(1.5e300, bodyAt + 24),
      (bytes) => bytes.writeUInt32LE(7, bytes.length - 4),
    ];
    for (const harm of damage) {
      const harmed = Buffer.from(frame);
      harm(harmed);
      expect([...framesOf(Buffer.concat([frame, harmed, frame]))].length).toBe(1);
    }
  });
});

describe("the spool", () => {
  test("hands a dead process's batch to the first claimant only", () => {
    const path = folder();
    const table = new ClickTable();
    table.add(7, 0);
    const frame = writeFrame(1, table, () => ({ kind: "click", device: "other", referrer: "" }));
    // No process has this id: Linux gives none above 2^22.
    writeFileSync(join(path, "000000001-dead.99999999"), frame);
    writeFileSync(join(path, "000000002-alive.1"), frame);
    writeFileSync(join(path, "something else"), "x");
    const [one, two] = [new Spool(path, SYSTEM), new Spool(path, SYSTEM)];
    const taken = one.adopt(new Set());
    expect(taken.map(({ id, clicks }) => [id, clicks])).toEqual([["000000001-dead", 1]]);
    expect(two.adopt(new Set(taken.map(({ id }) => id)))).toEqual([]);
    expect(readdirSync(path).sort()).toEqual([`000000001-dead.${process.pid}`, "000000002-alive.1", "something else"]);
  });
});

function clicksWith(record: (batch: ClickBatch) => Promise<number>, path = folder()) {
  const counts = newClickCounts();
  const errors: unknown[] = [];
  const recorder: Recorder = {
    record: async (batch) => ({ clicks: await record(batch), chunks: [] }),
    start: () => Promise.resolve(),
    setBusy: () => undefined,
    hurry: () => undefined,
    close: () => Promise.resolve(),
  };
  const clicks = new Clicks({
    // Nothing here sweeps, and nothing else of clicks' own asks the store.
    store: undefined as never,
    recorder,
    counts,
    folder: path,
    retentionDays: 0,
    outside: SYSTEM,
    onError: (error) => errors.push(error),
  });
  const balance = () => {
    const { accepted, found, recorded, spooled, spool_full, spool_lost, store_error } = counts;
    expect(accepted + found).toBe(recorded + spooled + clicks.waiting + spool_full + spool_lost + store_error);
  };
  return { clicks, counts, errors, balance, path };
}

const readAll = ({ bytes }: ClickBatch) => Promise.resolve([...framesOf(bytes)].reduce((sum, f) => sum + f.clicks, 0));

/** Ten clicks in a file, since the store is down until it comes back. */
async function tenSpooled() {
  let isDown = true;
  const made = clicksWith((batch) => (isDown ? Promise.reject(new Error("down")) : readAll(batch)));
  for (let click = 0; click < 10; click++) made.clicks.add(1, request());
  await made.clicks.flush();
  return {
    ...made,
    comeBack: () => {
      isDown = false;
    },
  };
}

describe("clicks", () => {
  test("whose files vanish before they are recorded are counted as lost", async () => {
    const { clicks, counts, balance, path, comeBack } = await tenSpooled();
    balance();
    expect(counts.spooled).toBe(10);
    rmSync(path, { recursive: true });
    clicks.add(1, request());
    comeBack();
    await clicks.close();
    balance();
    expect(counts).toMatchObject({ spool_lost: 10, recorded: 1, spooled: 0 });
  });

  test("in a file that cannot be read just now wait until it can", async () => {
    const { clicks, counts, balance, path, comeBack } = await tenSpooled();
    comeBack();
    const file = join(path, readdirSync(path)[0] ?? "");
    renameSync(file, `${path}-away`);
    folders.push(`${path}-away`);
    mkdirSync(file);
    await Bun.sleep(LIMITS.clickRetryMs);
    await clicks.flush();
    balance();
    expect(counts).toMatchObject({ recorded: 0, spooled: 10, spool_lost: 0 });
    rmdirSync(file);
    renameSync(`${path}-away`, file);
    await clicks.close();
    balance();
    expect(counts).toMatchObject({ recorded: 10, spooled: 0 });
  });

  test("that the store cannot take now do not keep it from those behind them", async () => {
    let tries = 0;
    const { clicks, counts, balance } = clicksWith((batch) => {
      tries += 1;
      return tries === 1 ? Promise.reject(new StoreError("other", "", "out of range")) : readAll(batch);
    });
    clicks.add(1, request());
    await clicks.flush();
    expect(counts).toMatchObject({ recorded: 0, spooled: 1 });
    clicks.add(2, request());
    await clicks.close();
    balance();
    expect(counts).toMatchObject({ recorded: 2, spooled: 0 });
  });

  test("that no file would take are recorded from memory", async () => {
    const path = folder();
    writeFileSync(join(path, "file"), "in the way");
    const { clicks, counts, errors, balance } = clicksWith(readAll, join(path, "file", "clicks"));
    for (let click = 0; click < 10; click++) clicks.add(click + 1, request());
    await clicks.flush();
    balance();
    expect(counts).toMatchObject({ accepted: 10, recorded: 10, spooled: 0 });
    expect(errors.length).toBe(1);
    await clicks.close();
  });

  test("more than one table holds go into several frames of one batch", async () => {
    const { clicks, counts, balance } = clicksWith(readAll);
    const count = 2 * LIMITS.clickTableRows + 5;
    for (let click = 0; click < count; click++) clicks.add(click + 1, request());
    balance();
    expect(clicks.waiting).toBe(5);
    await clicks.close();
    balance();
    expect(counts.recorded).toBe(count);
  });
});

describeEachEngine(
  "recorded clicks",
  (server) => {
    test("are in the totals and the hours, each once, however many rows there are", async () => {
      const { core, service } = server().deadletter;
      const created = await server().call("POST", "/urls", { original_url: "https://example.com/" });
      const id = created.json.id as number;
      const agent = (number: number) => ({
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64)",
        referer: `https://r${number}.example/`,
      });
      for (let click = 0; click < 3_000; click++) service.clicks.add(id, request(agent(click % 600)));
      await until("all are recorded", async () => {
        await service.clicks.flush();
        return service.clicks.counts.recorded === 3_000;
      });
      const rows = await core.store.read(
        (sql) => sql<{ total: number; hours: number; links: number }>`
        select clicks as total,
          (select cast(sum(clicks) as bigint) from click_hours where url_id = ${id}) as hours,
          (select count(*) from click_hours where url_id = ${id}) as links
        from click_totals where url_id = ${id}`,
      );
      expect(rows).toEqual([{ total: 3_000, hours: 3_000, links: 600 }]);
    });
  },
  { DEADLETTER_CLICK_REFERRERS: "1000" },
);

test("a recorder that is told to hurry before its thread runs pauses no more", async () => {
  const server = await startServer(await createStore("sqlite"));
  const table = new ClickTable();
  const { json } = await server.call("POST", "/urls", { original_url: "https://example.com/" });
  const numbers = Array.from({ length: 3_000 }, (_, number) => number);
  for (const number of numbers) table.add(json.id as number, number);
  const frame = writeFrame(1, table, (number) => ({ kind: "click", device: "other", referrer: `r${number}.example` }));
  const bytes = Buffer.concat(Array.from({ length: 10 }, () => frame));
  const recorder = new ThreadedRecorder({
    path: server.deadletter.core.store.place,
    deadlineMs: 5_000,
    referrers: 100,
  });
  recorder.setBusy(true);
  recorder.hurry(Date.now() + 60_000);
  // 120 chunks, with a pause of thirty times as long after each: it would not end in the time a test has.
  expect(await recorder.record({ id: "batch", bytes, forget: [] })).toMatchObject({ clicks: 30_000 });
  await recorder.close();
  await server.close();
  server.store.remove();
});
