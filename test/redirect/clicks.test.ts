// Clicks by themselves: every one that was accepted is found again, in a row, in a file, or among those that were dropped.

import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LIMITS } from "../../src/limits.ts";
import { createMetrics, type Metrics } from "../../src/metrics.ts";
import { framesOf, rowsOf, writeFrame } from "../../src/redirect/click-frames.ts";
import type { ClickBatch, Recorder } from "../../src/redirect/click-recorder.ts";
import { ClickTable } from "../../src/redirect/click-table.ts";
import { Clicks } from "../../src/redirect/clicks.ts";
import { Spool } from "../../src/redirect/spool.ts";
import { VisitorTable } from "../../src/redirect/visitor.ts";
import { describeEachEngine, until } from "../support/harness.ts";

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
});

describe("the spool", () => {
  test("gives what a dead process left to whoever takes it first, and to nobody else", () => {
    const path = folder();
    const table = new ClickTable();
    table.add(7, 0);
    const frame = writeFrame(1, table, () => ({ kind: "click", device: "other", referrer: "" }));
    // No process has this id: Linux gives none above 2^22.
    writeFileSync(join(path, "000000001-dead.99999999"), frame);
    writeFileSync(join(path, "000000002-alive.1"), frame);
    writeFileSync(join(path, "something else"), "x");
    const [one, two] = [new Spool(path, Date.now), new Spool(path, Date.now)];
    const taken = one.adopt(new Set());
    expect(taken.map(({ id, clicks }) => [id, clicks])).toEqual([["000000001-dead", 1]]);
    expect(two.adopt(new Set(taken.map(({ id }) => id)))).toEqual([]);
    expect(readdirSync(path).sort()).toEqual([`000000001-dead.${process.pid}`, "000000002-alive.1", "something else"]);
  });
});

function clicksWith(record: (batch: ClickBatch) => Promise<number>, path = folder()) {
  const counts: Metrics["clicks"] = createMetrics("0", {
    pool: () => ({ active: 0, waiting: 0, size: 0 }),
    droppedLogLines: () => 0,
    cache: () => ({ links: 0, missing: 0, bytes: 0 }),
    counters: () => Promise.resolve([]),
    logHead: () => Promise.resolve(undefined),
  }).clicks;
  const errors: unknown[] = [];
  const recorder: Recorder = {
    record: async (batch) => ({ clicks: await record(batch), chunks: [] }),
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
    clock: Date.now,
    onError: (error) => errors.push(error),
  });
  const balance = () => {
    const { accepted, found, recorded, spooled, spool_full, spool_lost, store_error } = counts;
    expect(accepted + found).toBe(recorded + spooled + clicks.waiting + spool_full + spool_lost + store_error);
  };
  return { clicks, counts, errors, balance, path };
}

const readAll = ({ bytes }: ClickBatch) => Promise.resolve([...framesOf(bytes)].reduce((sum, f) => sum + f.clicks, 0));

describe("clicks", () => {
  test("whose files vanish before they are recorded are counted as lost", async () => {
    let isDown = true;
    const { clicks, counts, balance, path } = clicksWith((batch) =>
      isDown ? Promise.reject(new Error("down")) : readAll(batch),
    );
    for (let click = 0; click < 10; click++) clicks.add(1, request());
    await clicks.flush();
    balance();
    expect(counts.spooled).toBe(10);
    rmSync(path, { recursive: true });
    clicks.add(1, request());
    isDown = false;
    await clicks.close();
    balance();
    expect(counts).toMatchObject({ spool_lost: 10, recorded: 1, spooled: 0 });
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

describeEachEngine("recorded clicks", (server) => {
  test("are in the totals and the hours, each once, however many rows there are", async () => {
    const { core, service, metrics } = server().deadletter;
    const created = await server().call("POST", "/urls", { original_url: "https://example.com/" });
    const id = created.json.id as number;
    const agent = (number: number) => ({
      "user-agent": "Mozilla/5.0 (X11; Linux x86_64)",
      referer: `https://r${number}.example/`,
    });
    for (let click = 0; click < 3_000; click++) service.clicks.add(id, request(agent(click % 600)));
    await until("all are recorded", async () => {
      await service.clicks.flush();
      return metrics.clicks.recorded === 3_000;
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
});
