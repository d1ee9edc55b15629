// What the sequencer, the feed and the watch do with what should not be there, on both engines.

import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportLog } from "../../src/audit/export.ts";
import { retryQuarantined } from "../../src/operations/audit-log.ts";
import { createStore, ENGINES, TEST_LOG_KEY, until } from "../support/harness.ts";
import { follow, ownWriteWatch, Scene, sequencer, sweep, verify } from "./attacks.ts";

describe.each([...ENGINES])("the sequencer on %s", (engine) => {
  const withScene = async (run: (scene: Scene) => Promise<void>) => {
    const store = await createStore(engine);
    const scene = await Scene.open(store);
    await run(scene);
    await scene.server.close();
    store.remove();
  };
  const status = async ({ server }: Scene) => (await server.call("GET", "/log/status")).json;

  test("takes away a queue row of what is in the log or in quarantine already, and goes on", () =>
    withScene(async (scene) => {
      await scene.lie("insert into log_queue (event_id) values (1)");
      const id = await scene.insertForged();
      await scene.lie(`insert into log_queue (event_id) values (${id})`);
      await scene.server.sequence();
      await scene.lie(`insert into log_queue (event_id) values (${id})`);
      await scene.makeLink("after", 1);
      expect((await sequencer(scene)).join("\n")).toContain("stray: ");
      expect((await status(scene)).size).toBe(7);
      expect(await scene.store.query("select * from log_queue")).toEqual([]);
    }));

  test("refuses a head behind which there are leaves already: somebody else wrote them", () =>
    withScene(async (scene) => {
      await scene.server.sequence();
      const { size } = await status(scene);
      await scene.lie(
        `insert into log_leaf (idx, event_id, leaf_hash) select ${size}, 1000000, leaf_hash from events where id = 1`,
      );
      await scene.server.call("PUT", "/urls/victim", { title: "version 4" });
      expect((await sequencer(scene)).join("\n")).toContain(`the log has leaves past its signed size ${size}`);
    }));

  test("keeps the successors of what is false out as well, and lets everything in once it was repaired", () =>
    withScene(async (scene) => {
      await scene.server.call("PUT", "/urls/victim", { title: "version 4" });
      const { id, actor } = await scene.event(4);
      await scene.lie(`update events set actor = replace(actor, '"via":"http"', '"via":"cron"') where id = ${id}`);
      await scene.server.call("PUT", "/urls/victim", { title: "version 5" });
      await scene.makeLink("innocent", 1);
      await scene.server.sequence();
      expect(await status(scene)).toMatchObject({ quarantined: 2, backlog: 0, size: 7 });
      await scene.lie(`update events set actor = '${actor}' where id = ${id}`);
      await retryQuarantined(scene.server.deadletter.core);
      await scene.server.sequence();
      expect(await status(scene)).toMatchObject({ quarantined: 0, backlog: 0, size: 9 });
      expect(await verify(scene)).toEqual([]);
    }));

  test("lets go of a quarantined event that was removed for good", () =>
    withScene(async (scene) => {
      const id = await scene.insertForged();
      await scene.lie(`insert into log_queue (event_id) values (${id})`);
      await scene.server.sequence();
      await scene.rewind(3);
      await scene.lie(`delete from events where id = ${id}`);
      await retryQuarantined(scene.server.deadletter.core);
      expect((await status(scene)).quarantined).toBe(0);
    }));

  test("finds a hidden event however often it was hidden before", () =>
    withScene(async (scene) => {
      for (const version of [4, 5]) {
        await scene.server.call("PUT", "/urls/victim", { title: `version ${version}` });
        expect(await sweep(scene)).toEqual([]);
        const { id } = await scene.event(version);
        await scene.lie(`delete from log_queue where event_id = ${id}`);
        expect((await sweep(scene)).length).toBe(1);
        await scene.server.sequence();
      }
      expect(await verify(scene)).toEqual([]);
    }));

  test("is not believed where a leaf lies past the signed size: the watch still misses what was committed", () =>
    withScene(async (scene) => {
      follow(scene.server.deadletter);
      await until("the log is followed", () => scene.server.deadletter.auditLog.feed.next !== undefined);
      await scene.server.call("PUT", "/urls/victim", { title: "version 4" });
      const { id } = await scene.event(4);
      await scene.lie(
        `insert into log_leaf (idx, event_id, leaf_hash) select 1000000 + id, id, leaf_hash from events where id = ${id}`,
      );
      await scene.lie(`delete from log_queue where event_id = ${id}`);
      await Bun.sleep(300);
      expect((await ownWriteWatch(scene)).join("\n")).toContain("late: ");
      expect(scene.server.deadletter.auditLog.feed.next).toBe(6);
    }));

  test("is patient with what still waits in the queue", () =>
    withScene(async (scene) => {
      follow(scene.server.deadletter);
      await scene.server.call("PUT", "/urls/victim", { title: "version 4" });
      await scene.server.deadletter.auditLog.ownWrites.check(0.001);
      expect(scene.server.deadletter.auditLog.ownWrites.waiting).toBe(0);
      await scene.server.call("PUT", "/urls/victim", { title: "version 5" });
      await scene.server.deadletter.auditLog.ownWrites.check(5);
      expect(scene.server.deadletter.auditLog.ownWrites.waiting).toBe(1);
    }));

  test("has no second export of a forked log accepted into the first one's folder", () =>
    withScene(async (scene) => {
      const folder = mkdtempSync(join(tmpdir(), "deadletter-export-"));
      const exportNow = () =>
        exportLog(folder, TEST_LOG_KEY, {
          fetch: async (path) =>
            new Uint8Array(await (await fetch(`${scene.server.listeners.apiUrl}/log/${path}`)).arrayBuffer()),
        });
      const restore = await scene.backUp();
      await scene.makeLink("one-history", 4);
      await scene.server.sequence();
      await exportNow();
      // Whoever restored it made this host forget as well.
      scene.forgetCheckpoint();
      await restore();
      await scene.makeLink("another-history", 9);
      await scene.server.sequence();
      expect(await exportNow().catch((error: Error) => error.message)).toContain("it was forked");
      rmSync(folder, { recursive: true });
    }));
});
