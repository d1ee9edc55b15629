// Changes that are written together: each fails alone, all of what is written is there or none, and nobody is told otherwise.

import { expect, test } from "bun:test";
import { DeadletterError } from "../../src/errors.ts";
import type { Caller } from "../../src/model/caller.ts";
import type { Command } from "../../src/model/command.ts";
import { applyAsked, applyOne } from "../../src/operations/group.ts";
import { changeLink } from "../../src/operations/links.ts";
import type { Store } from "../../src/store/store.ts";
import { describeEachEngine } from "../support/harness.ts";

describeEachEngine("changes that wait together", (server, engine) => {
  const core = () => server().deadletter.core;
  const self = () => server().deadletter.self;
  const create = (code: string, more: object = {}): Command => ({
    type: "link.create",
    original_url: "https://a.example/",
    short_code: code,
    ...more,
  });
  const outcomeOf = async (work: Promise<unknown>) => {
    try {
      await work;
      return "done";
    } catch (error) {
      return error instanceof DeadletterError ? `${error.code}: ${error.message}` : `${error}`;
    }
  };
  const countOf = async (table: string) =>
    Number((await server().store.query<{ n: number }>(`select count(*) as n from ${table}`))[0]?.n);

  /** How many transactions `run` took. */
  async function transactionsOf(run: () => Promise<unknown>): Promise<number> {
    const { store } = core() as { store: { begin: Store["begin"] } };
    const begin = store.begin;
    let count = 0;
    store.begin = (work, options) => {
      count += 1;
      return begin(work, options);
    };
    await run();
    store.begin = begin;
    return count;
  }

  test("share a transaction, and each is answered with what became of it", async () => {
    const before = await countOf("events");
    const makes = Array.from({ length: 40 }, (_, at) => create(`together-${at}`));
    const count = await transactionsOf(async () => {
      const states = await Promise.all(makes.map((command) => applyOne(core(), self(), command)));
      expect(states.map(({ short_code }) => short_code)).toEqual(makes.map((_, at) => `together-${at}`));
      expect(new Set(states.map(({ id }) => id)).size).toBe(40);
    });
    expect(count).toBeLessThan(6);
    const changes = makes.map((_, at) =>
      changeLink(
        core(),
        self(),
        `together-${at}`,
        at % 2 ? { type: "link.delete" } : { type: "link.update", title: "t" },
      ),
    );
    expect(await transactionsOf(() => Promise.all(changes))).toBeLessThan(6);
    expect(await countOf("events")).toBe(before + 80);
    expect(await server().verify()).toEqual([]);
  });

  test("one bad row of each kind is refused alone", async () => {
    const { call } = server();
    const user = (await call("POST", "/users", { username: "rover", email: "rover@a.example" })).json;
    const made = (await call("POST", `/users/${user.id}/keys`, { name: "k", role: "admin" })).json;
    const gone = (await call("POST", "/users", { username: "gone", email: "gone@a.example" })).json;
    await call("DELETE", `/users/${gone.id}`);
    const revoked: Caller = { userId: user.id, keyId: made.id, role: "admin", via: "test", requestId: null };
    await call("DELETE", `/users/${user.id}/keys/${made.id}`);
    await call("POST", "/urls", { original_url: "https://a.example/", short_code: "taken" });
    await call("POST", "/urls", { original_url: "https://a.example/", short_code: "stale" });
    await call("POST", "/urls", { original_url: "https://a.example/", short_code: "quiet" });
    const before = await countOf("events");
    const bad = [
      applyOne(core(), self(), create("taken")),
      changeLink(core(), self(), "stale", { type: "link.update", title: "x", if_version: [7] }),
      applyOne(core(), revoked, create("by-revoked")),
      applyOne(core(), self(), create("of-gone", { user_id: gone.id })),
      changeLink(core(), self(), "nobody-here", { type: "link.delete" }),
      changeLink(core(), self(), "quiet", { type: "link.restore" }),
      applyOne(core(), { ...self(), role: "reader" }, create("by-reader")),
    ];
    const twice = [applyOne(core(), self(), create("twice")), applyOne(core(), self(), create("twice"))];
    const good = Array.from({ length: 20 }, (_, at) => applyOne(core(), self(), create(`good-${at}`)));
    expect(await Promise.all(bad.map(outcomeOf))).toEqual([
      'conflict: short_code: "taken" is taken',
      "precondition_failed: If-Match does not match: the current version is 1",
      "unauthorized: the key is not valid",
      `not_found: user_id: there is no active user ${gone.id}`,
      'not_found: no link "nobody-here"',
      'conflict: link "quiet" is active already',
      "forbidden: this needs a key of role creator; yours is reader",
    ]);
    expect((await Promise.all(twice.map(outcomeOf))).sort()).toEqual([
      'conflict: short_code: "twice" is taken',
      "done",
    ]);
    expect(await Promise.all(good.map(outcomeOf))).toEqual(good.map(() => "done"));
    expect(await countOf("events")).toBe(before + 21);
    expect(await server().verify()).toEqual([]);
  });

  test("several of one link are applied in their order", async () => {
    await server().call("POST", "/urls", { original_url: "https://a.example/", short_code: "busy" });
    const titles = ["a", "b", "c", "d"];
    const states = await Promise.all(
      titles.map((title) => changeLink(core(), self(), "busy", { type: "link.update", title })),
    );
    expect(states.map(({ version, title }) => [version, title])).toEqual(titles.map((title, at) => [at + 2, title]));
    expect(await server().verify()).toEqual([]);
  });

  test("what the database itself refuses of one of them fails that one alone", async () => {
    const { store } = server();
    const condition = "new.short_code = 'cursed'";
    await store.tamper(
      engine === "sqlite"
        ? `create trigger cursed before insert on urls when ${condition} begin select raise(abort, 'injected'); end`
        : `create function cursed() returns trigger language plpgsql as $$ begin raise exception 'injected'; end $$;
           create trigger cursed before insert on urls for each row when (${condition}) execute function cursed()`,
    );
    const before = await countOf("events");
    const works = ["fine-1", "cursed", "fine-2", "fine-3"].map((code) => applyOne(core(), self(), create(code)));
    const outcomes = await Promise.all(works.map(outcomeOf));
    await store.tamper(engine === "sqlite" ? "drop trigger cursed" : "drop trigger cursed on urls");
    expect(outcomes.map((outcome) => outcome === "done")).toEqual([true, false, true, true]);
    expect(await countOf("events")).toBe(before + 3);
    expect(await server().verify()).toEqual([]);
  });

  test.each(["events", "log_queue", "urls", "link_hosts", "link_targets", "counters", "COMMIT"])(
    "a database that dies at %s leaves nothing of them, and nobody is told that it did not",
    async (table) => {
      // SQLite dies with its process: test/crash.test.ts kills that.
      if (engine === "sqlite") return;
      const { store } = server();
      const isCommit = table === "COMMIT";
      const on = isCommit ? "events" : table;
      await store.tamper(
        `create or replace function die() returns trigger language plpgsql as $$ begin
           perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return null; end $$;
         ${isCommit ? "create constraint trigger die after insert on events deferrable initially deferred" : `create trigger die after insert on ${on}`}
           for each row execute function die()`,
      );
      const before = [await countOf("events"), await countOf("urls"), await countOf("log_queue")];
      const works = Array.from({ length: 8 }, (_, at) =>
        applyOne(core(), self(), create(`die-${table.toLowerCase()}-${at}`)),
      );
      const outcomes = await Promise.all(works.map(outcomeOf));
      await store.tamper(`drop trigger die on ${on}`);
      expect(outcomes.every((outcome) => outcome.startsWith("unavailable: "))).toBe(true);
      // Once COMMIT is sent nobody knows, and that is what all are told; it is never sent again.
      expect(outcomes.every((outcome) => outcome.includes("may or may not") === isCommit)).toBe(true);
      expect([await countOf("events"), await countOf("urls"), await countOf("log_queue")]).toEqual(before);
      expect(await server().verify()).toEqual([]);
    },
    20_000,
  );

  test("too many that wait are told so, and so is who waits for too long", async () => {
    const { waiting } = core();
    const ask = { caller: self(), command: create("late") };
    const never = { ...ask, deadlineMs: Number.POSITIVE_INFINITY, resolve: () => {}, reject: () => {} };
    waiting.running = Number.POSITIVE_INFINITY;
    waiting.queue.push(...Array.from({ length: 10_000 }, () => never));
    expect(await outcomeOf(applyAsked(core(), ask))).toBe("unavailable: too many changes are waiting for the database");
    waiting.queue.length = 0;
    const late = Promise.withResolvers<unknown>();
    waiting.queue.push({ ...ask, deadlineMs: 0, resolve: late.resolve, reject: late.reject });
    waiting.running = 0;
    const next = applyOne(core(), self(), create("in-time"));
    expect(await outcomeOf(late.promise)).toBe("unavailable: the database did not answer in time");
    expect(await outcomeOf(next)).toBe("done");
  });
});
