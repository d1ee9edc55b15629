// apply(): many commands in one transaction, all or none; whose fault it is where one of them cannot be; whose key it is.

import { expect, test } from "bun:test";
import { DeadletterError } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import type { Command } from "../../src/model/command.ts";
import { LINK } from "../../src/model/link-subject.ts";
import { apply, transact } from "../../src/operations/apply.ts";
import { describeEachEngine } from "../support/harness.ts";

const link = (short_code?: string, title = ""): Command => ({
  type: "link.create",
  original_url: "https://a.b/",
  title,
  ...(short_code === undefined ? {} : { short_code }),
});

describeEachEngine("apply()", (server, engine) => {
  const run = (commands: readonly Command[]) => {
    const { core, self } = server().deadletter;
    return apply(core, self, commands);
  };
  const refusalOf = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DeadletterError);
    const { code, message } = error as DeadletterError;
    return [code, message];
  };
  const count = async () =>
    Number((await server().store.query<{ count: number }>("select count(*) as count from events"))[0]?.count);

  test("takes more commands than are written in one go, and keeps their order", async () => {
    const many = LIMITS.applyRows[engine] * 2 + 7;
    const outcomes = await run(Array.from({ length: many }, (_, at) => link(`many${at}`, `title ${at}`)));
    expect(outcomes.map(({ state }) => state.title)).toEqual(Array.from({ length: many }, (_, at) => `title ${at}`));
    const ids = outcomes.map(({ state }) => Number(state.id));
    expect(ids.toSorted((a, b) => a - b)).toEqual(ids);
    expect(await server().verify()).toEqual([]);
  });

  test("a subject is changed among the first and among the last", async () => {
    const many = LIMITS.writeRows.sqlite * 3;
    const [made] = await run([link("given-up")]);
    const id = Number(made?.state.id);
    const outcomes = await run([
      { type: "link.update", id, title: "first" },
      ...Array.from({ length: many }, (_, at) => link(`between${at}`)),
      { type: "link.update", id, title: "last", tags: ["late"] },
    ]);
    expect([outcomes[0], outcomes.at(-1)].map((outcome) => outcome?.state.version)).toEqual([2, 3]);
    expect(await server().verify()).toEqual([]);
  });

  test.if(engine === "postgres")("writes what is looked up together in one statement", async () => {
    // Counters are locked in one order only within a statement: over two, transactions would wait for each other in a circle.
    const [made] = await run([link("one-statement")]);
    const id = Number(made?.state.id);
    await run([
      ...Array.from({ length: LIMITS.applyRows.postgres - 1 }, (_, at) => link(`statement${at}`)),
      { type: "link.update", id, title: "with them" },
    ]);
    const statements = await server().store.query<{ count: string }>(
      "select count(distinct cmin::text) from events where xmin = (select xmin from events order by id desc limit 1)",
    );
    expect(Number(statements[0]?.count)).toBe(1);
  });

  test("changes one subject several times in one transaction, an event each", async () => {
    const [made] = await run([link("often")]);
    const id = Number(made?.state.id);
    const outcomes = await run([
      { type: "link.update", id, title: "two" },
      { type: "link.delete", id },
      { type: "link.restore", id },
      { type: "link.update", id, title: "two" },
      { type: "link.update", id, original_url: "https://c.d/", if_version: [4] },
    ]);
    expect(outcomes.map(({ isChanged, state }) => [isChanged, state.version])).toEqual([
      [true, 2],
      [true, 3],
      [true, 4],
      [false, 4],
      [true, 5],
    ]);
    expect(await server().verify()).toEqual([]);
  });

  test("names the one whose value is taken, among others that are right or have drawn ones", async () => {
    await run([link("taken")]);
    const before = await count();
    const taken = ["conflict", 'short_code: "taken" is taken'];
    expect(await refusalOf(run([link("free1"), link(), link("taken"), link("free2")]))).toEqual(taken);
    expect(await refusalOf(run([link("twice"), link(), link("twice")]))).toEqual([
      "conflict",
      'short_code: "twice" is taken',
    ]);
    expect(await refusalOf(run([link("last"), link("taken"), { type: "link.delete", id: 999_999 }]))).toEqual([
      "not_found",
      "no link 999999",
    ]);
    expect(await count()).toBe(before);
  });

  test("draws no id that a command beside it brings along", async () => {
    const { core, self } = server().deadletter;
    const [next] = await server().store.query<{ id: number }>("select max(id) + 1 as id from users");
    const id = Number(next?.id);
    await transact(core, self, async ({ tx, apply: applyAll }) => {
      await tx.reserveIds({ table: "users", type: "user" }, id - 1);
      await applyAll([
        { type: "user.import", id, username: "old", email: "old@a.b", created_at: "2025-01-01T00:00:00.000Z" },
        { type: "user.create", username: "new", email: "new@a.b" },
      ]);
    });
    const users = await server().store.query<{ id: number; username: string }>(
      `select id, username from users where id >= ${id} order by id`,
    );
    expect(users.map(({ username }) => username)).toEqual(["old", "new"]);
    expect(await server().verify()).toEqual([]);
  });

  test("refuses what is not of its schema, or wrong whatever it is about, before anything is begun", async () => {
    const before = await count();
    const odd = { type: "link.create", original_url: "https://a.b/", colour: "red" } as unknown as Command;
    expect(await refusalOf(run([odd]))).toEqual(["bad_request", "colour: is no member of link.create"]);
    expect((await refusalOf(run([link("good1"), { type: "link.update", id: 1, original_url: "nope" }])))[0]).toBe(
      "bad_request",
    );
    expect(await count()).toBe(before);
  });

  test("refuses a key that was revoked after it was let in, and lets nobody in whose user was deactivated", async () => {
    const { core } = server().deadletter;
    const { call } = server();
    const user = (await call("POST", "/users", { username: "leaver", email: "l@a.b" })).json;
    const key = (await call("POST", `/users/${user.id}/keys`, { name: "k", role: "admin" })).json;
    const caller = { userId: user.id, keyId: key.id, role: "admin", via: "test", requestId: null } as const;
    await apply(core, caller, [link("before")]);
    await call("DELETE", `/users/${user.id}/keys/${key.id}`);
    expect(await refusalOf(apply(core, caller, [link("after")]))).toEqual(["unauthorized", "the key is not valid"]);
  });

  test("lets an admin end their own account where another admin is left, keys and all", async () => {
    const { call } = server();
    const user = (await call("POST", "/users", { username: "carol", email: "carol@a.b" })).json;
    const { key } = (await call("POST", `/users/${user.id}/keys`, { name: "k", role: "admin" })).json;
    const answer = await call("DELETE", `/users/${user.id}`, { reason: "enough" }, { key });
    expect(answer).toMatchObject({ status: 200, json: { is_active: false, version: 2 } });
    expect((await call("GET", "/whoami", undefined, { key })).status).toBe(401);
    expect(await server().verify()).toEqual([]);
  });

  test("begins with its write where an id was drawn ahead, and with another id where an import took that one", async () => {
    const { core, self } = server().deadletter;
    const [first] = await run([link()]);
    const ahead = core.ahead.take(LINK, 1);
    if (engine === "sqlite") {
      // Its ids follow the largest there is: none can be kept for later.
      expect(ahead).toBeUndefined();
      return;
    }
    expect(ahead?.ids[0]).toBeGreaterThan(Number(first?.state.id));
    core.ahead.forget();
    core.ahead.keep(LINK, [Number(first?.state.id)]);
    const [second] = await apply(core, self, [link()]);
    expect(Number(second?.state.id)).toBeGreaterThan(Number(first?.state.id));
    expect(await server().verify()).toEqual([]);
  });
});
