// Events that go into the log in the transaction that writes them, on the engine with one writer: nothing false goes along, and
// whatever is not as it should be waits in the queue instead.

import { describe, expect, test } from "bun:test";
import { applyOne } from "../../src/operations/group.ts";
import { createStore, startServer, type TestServer, until } from "../support/harness.ts";

/** A server that sequences, and has looked at the log. */
async function withServer(run: (server: TestServer) => Promise<void>): Promise<void> {
  const server = await startServer(await createStore("sqlite"), { DEADLETTER_REFUSED_WRITES: "allow" });
  await server.deadletter.start();
  // Every queue row there ever was is noted, also one that was taken away again.
  await server.store.tamper(
    `create table queued (event_id integer);
     create trigger note_queued after insert on log_queue begin insert into queued values (new.event_id); end`,
  );
  await untilLooked(server);
  await run(server);
  await server.close();
  server.store.remove();
}

async function untilLooked(server: TestServer): Promise<void> {
  let tries = 0;
  await until("the sequencer has looked at the log", async () => {
    const before = (await queued(server)).length;
    await server.call("POST", "/urls", { original_url: `https://a.b/${++tries}` });
    return (await queued(server)).length === before;
  });
  // Nothing is under way now that this, which blocks, could wait for.
  await server.store.tamper("delete from queued");
}

async function queued({ store }: TestServer): Promise<number[]> {
  return (await store.query<{ event_id: number }>("select event_id from queued")).map(({ event_id }) => event_id);
}

async function status(server: TestServer) {
  return (await server.call("GET", "/log/status")).json as { size: number; backlog: number; quarantined: number };
}

describe("events that are put into the log at once", () => {
  test("are there when their change is answered, in order, and verify", () =>
    withServer(async (server) => {
      const { size } = await status(server);
      const { id } = (await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "now" })).json;
      expect(await status(server)).toMatchObject({ size: size + 1, backlog: 0 });
      await server.call("PATCH", "/urls/now", { title: "t" });
      await server.call("DELETE", "/urls/now");
      await server.call("POST", "/urls/now/restore");
      const leaves = await server.store.query<{ idx: number; version: number }>(
        `select l.idx, e.version from log_leaf l join events e on e.id = l.event_id
         where e.subject_type = 'url' and e.subject_id = ${id} order by l.idx`,
      );
      expect(leaves.map(({ idx, version }) => [idx, version])).toEqual([0, 1, 2, 3].map((at) => [size + at, at + 1]));
      expect(await queued(server)).toEqual([]);
      expect(await server.verify()).toEqual([]);
    }));

  test("of many transactions that share a commit follow one another, and those of one that fails are not there", () =>
    withServer(async (server) => {
      const { core, self } = server.deadletter;
      const { size } = await status(server);
      await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "taken" });
      const outcomes = await Promise.all(
        Array.from({ length: 60 }, (_, at) =>
          Bun.sleep(at % 3).then(() =>
            applyOne(core, self, {
              type: "link.create",
              original_url: `https://a.b/${at}`,
              ...(at % 10 === 0 ? { short_code: "taken" } : {}),
            }).then(
              () => 1,
              () => 0,
            ),
          ),
        ),
      );
      expect(outcomes.reduce<number>((sum, each) => sum + each, 0)).toBe(54);
      expect(await status(server)).toMatchObject({ size: size + 55, backlog: 0 });
      expect(await queued(server)).toEqual([]);
      expect(await server.verify()).toEqual([]);
    }));

  test("are told to those who follow the log at once, and remembered by the host", () =>
    withServer(async (server) => {
      const { size } = await status(server);
      const waiting = server.call("GET", `/log/entries?from=${size}&wait=8`);
      await Bun.sleep(20);
      await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "told" });
      expect((await waiting).json).toMatchObject([{ index: size, event_type: "created" }]);
      await server.close();
      const again = await startServer(server.store);
      // It would refuse a log that is shorter than what was written down.
      await again.deadletter.auditLog.checkHead();
      expect(again.deadletter.auditLog.refusal()).toBeUndefined();
      await again.close();
      Object.assign(server, { close: () => Promise.resolve() });
    }));

  test("wait behind what waits in the queue already", () =>
    withServer(async (server) => {
      const { size } = await status(server);
      // Another process of this host, which does not sequence.
      const other = await startServer(server.store, { DEADLETTER_REFUSED_WRITES: "allow" });
      const key = server.adminKey;
      await other.call("POST", "/urls", { original_url: "https://a.b/", short_code: "first" }, { key });
      await server.call("PATCH", "/urls/first", { title: "t" });
      await until("all is in the log", async () => (await status(server)).backlog === 0);
      expect((await status(server)).size).toBe(size + 2);
      expect((await queued(server)).length).toBeGreaterThan(0);
      expect(await server.verify()).toEqual([]);
      await other.close();
    }));

  test("do so again once what waited is in the log, while writes go on", () =>
    withServer(async (server) => {
      const other = await startServer(server.store, { DEADLETTER_REFUSED_WRITES: "allow" });
      const key = server.adminKey;
      await other.call("POST", "/urls", { original_url: "https://a.b/", short_code: "other" }, { key });
      const { core, self } = server.deadletter;
      let [isOver, made] = [false, 0];
      const write = async () => {
        while (!isOver) {
          await applyOne(core, self, { type: "link.create", original_url: "https://a.b/" });
          made += 1;
        }
      };
      const writing = Promise.all(Array.from({ length: 64 }, write));
      await until("a while passes in which none is queued", async () => {
        const before = [(await queued(server)).length, made] as const;
        await Bun.sleep(100);
        return (await queued(server)).length === before[0] && made > before[1];
      });
      isOver = true;
      await writing;
      expect((await queued(server)).length).toBeGreaterThan(0);
      await until("nothing waits", async () => (await status(server)).backlog === 0);
      expect(await server.verify()).toEqual([]);
      await other.close();
    }));

  test("wait where the store was finalized for a later release, and are refused there", () =>
    withServer(async (server) => {
      await server.store.tamper("update store_generation set generation = 99", { guardsOff: true });
      await server.store.tamper(
        "create trigger only_later before insert on log_queue when new.generation < 99 begin select raise(abort, 'deadletter check: log_queue_generation_check'); end",
      );
      const { size } = await status(server);
      expect((await server.call("POST", "/urls", { original_url: "https://a.b/" })).status).toBe(503);
      expect((await status(server)).size).toBe(size);
    }));
});

describe("somebody who owns the database gets nothing signed that is false:", () => {
  test("an event slipped in beside a true one goes into quarantine, the true one into the log", () =>
    withServer(async (server) => {
      const { size } = await status(server);
      await server.store.tamper(
        `create trigger slip after insert on events when new.version = 1 and new.subject_id < 900000 begin
           insert into events (subject_type, subject_id, version, op, at_ms, leaf, leaf_hash, tag, actor, state, user_id)
           values ('url', 900000 + new.subject_id, 1, 'created', 1, new.leaf, zeroblob(32), zeroblob(32), null, null, null);
           insert into log_queue (event_id, generation) select id, 3 from events where subject_id = 900000 + new.subject_id;
         end`,
        { guardsOff: true },
      );
      expect((await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "true" })).status).toBe(
        201,
      );
      await until("all was looked at", async () => (await status(server)).backlog === 0);
      expect(await status(server)).toMatchObject({ size: size + 1, quarantined: 1 });
    }));

  test("a change that follows from a row with another head than the log has", () =>
    withServer(async (server) => {
      const { id } = (await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "row" })).json;
      const { size } = await status(server);
      await server.store.tamper(`update urls set head = zeroblob(32) where id = ${id}`, { guardsOff: true });
      await server.call("PATCH", "/urls/row", { title: "t" });
      await until("it was looked at", async () => (await status(server)).backlog === 0);
      expect(await status(server)).toMatchObject({ size, quarantined: 1 });
    }));

  test("a hash put where one of the tree's will come: changes go on, and the log says why it does not", () =>
    withServer(async (server) => {
      await server.store.tamper("insert into log_node (level, idx, hash) values (1, 0, zeroblob(32))");
      const { core, self } = server.deadletter;
      const create = () => applyOne(core, self, { type: "link.create", original_url: "https://a.b/" });
      for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 60 }, create));
      await until("it was said", () => server.logLines().some(({ alarm }) => alarm === "failed"));
      expect((await status(server)).backlog).toBeGreaterThan(0);
    }));

  test("leaves are not appended to a head that this process did not sign", () =>
    withServer(async (server) => {
      const { size } = await status(server);
      const [{ note } = { note: "" }] = await server.store.query<{ note: string }>("select note from log_head");
      await server.store.tamper(
        `update log_head set note = '${note.replace(/\n\d+\n/, `\n${size + 5}\n`)}', size = ${size + 5}`,
        { guardsOff: true },
      );
      await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "late" });
      await until("the log is refused", () => server.deadletter.auditLog.refusal() !== undefined);
      const leaves = await server.store.query("select idx from log_leaf");
      expect(leaves.length).toBe(size);
    }));
});
