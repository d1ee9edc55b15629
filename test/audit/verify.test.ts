// Each way of lying to the store, with the guards off, and that verify names it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { verify } from "../../src/audit/verify.ts";
import { LIMITS } from "../../src/limits.ts";
import type { Command } from "../../src/model/command.ts";
import { apply } from "../../src/operations/apply.ts";
import { createStore, ENGINES, findFalsehoods, startServer, type TestServer } from "../support/harness.ts";

describe.each([...ENGINES])("verify on %s", (engine) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(await createStore(engine));
  });
  afterAll(async () => {
    await server.close();
    server.store.remove();
  });
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
  /** A link with three events; what it is called in a finding. */
  async function makeLink(code: string) {
    const { id } = (await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: code })).json;
    await server.call("PUT", `/urls/${id}`, { title: "two" });
    await server.call("PUT", `/urls/${id}`, { title: "three" });
    return { id: id as number, name: `url:${id} (${code})`, where: `subject_type = 'url' and subject_id = ${id}` };
  }
  /** Findings that were not there before. */
  async function findingsAfter(statement: string) {
    const before = new Set((await findFalsehoods(server.deadletter)).map((finding) => JSON.stringify(finding)));
    await server.store.tamper(statement, { guardsOff: true });
    return (await findFalsehoods(server.deadletter)).filter((finding) => !before.has(JSON.stringify(finding)));
  }

  test("a true store has nothing false in it", async () => {
    await makeLink("honest");
    expect(await findFalsehoods(server.deadletter)).toEqual([]);
  });

  test.each<[string, (link: { id: number; where: string }) => string, string]>([
    [
      "a link changed without an event",
      ({ id }) => `update urls set original_url = 'https://evil.example/' where id = ${id}`,
      "original_url is not what its history says",
    ],
    ...["not json", "{}", "[1]", "null", '["x"]'].map(
      (cell): [string, (link: { id: number; where: string }) => string, string] => [
        `tags that are ${cell}`,
        ({ id }) => `update urls set tags = '${cell}' where id = ${id}`,
        "tags is not what its history says",
      ],
    ),
    [
      "a link revived without an event",
      ({ id }) => `update urls set is_active = 0 where id = ${id}`,
      "is_active is not what its history says",
    ],
    [
      "a link's version moved",
      ({ id }) => `update urls set version = 7 where id = ${id}`,
      "version is not what its history says",
    ],
    [
      "the last event deleted",
      ({ where }) => `delete from events where ${where} and version = 3`,
      "one was removed or added",
    ],
    [
      "a middle event deleted",
      ({ where }) => `delete from events where ${where} and version = 2`,
      "version 2 is missing",
    ],
    [
      "the first event deleted",
      ({ where }) => `delete from events where ${where} and version = 1`,
      "version 1 is missing",
    ],
    ["a row deleted", ({ id }) => `delete from urls where id = ${id}`, "its row is gone"],
    ["the whole history deleted", ({ where }) => `delete from events where ${where}`, "has no history"],
    [
      "an actor changed",
      ({ where }) =>
        `update events set actor = replace(actor, '"via":"http"', '"via":"nobody"') where ${where} and version = 2`,
      "a disclosure does not match its digest",
    ],
    [
      "a state changed",
      ({ where }) =>
        `update events set state = replace(state, 'https://a.b/', 'https://evil/') where ${where} and version = 2`,
      "a disclosure does not match its digest",
    ],
    [
      "an actor erased but not who it was",
      ({ where }) => `update events set actor = null where ${where} and version = 2`,
      "user_id is not the actor's",
    ],
    [
      "the newest state erased",
      ({ where }) => `update events set state = null where ${where} and version = 3`,
      "its row cannot be checked",
    ],
    [
      "a time that is none",
      ({ id }) => `update urls set created_at_ms = 9000000000000000 where id = ${id}`,
      "created_at is not what its history says",
    ],
    [
      "an event's time that is none",
      ({ where }) => `update events set at_ms = 9000000000000000 where ${where} and version = 2`,
      "at in the leaf is not the row's",
    ],
    [
      "an activity that is neither",
      ({ id }) => `update urls set is_active = 2 where id = ${id}`,
      "is_active is not what its history says",
    ],
    [
      "two disclosures exchanged",
      ({ where }) => `update events set actor = state, state = actor, user_id = null where ${where} and version = 2`,
      "a disclosure does not match its digest",
    ],
    [
      "who did it changed",
      ({ where }) => `update events set user_id = 77 where ${where} and version = 2`,
      "user_id is not the actor's",
    ],
    [
      "what happened changed",
      ({ where }) => `update events set op = 'restored' where ${where} and version = 2`,
      "op in the leaf is not the row's",
    ],
    [
      "when it happened changed",
      ({ where }) => `update events set at_ms = at_ms - 1000 where ${where} and version = 2`,
      "at in the leaf is not the row's",
    ],
    [
      "a leaf rewritten",
      ({ where }) =>
        `update events set leaf = ${engine === "sqlite" ? "cast(replace(cast(leaf as text), 'updated', 'deleted') as blob)" : "convert_to(replace(convert_from(leaf, 'UTF8'), 'updated', 'deleted'), 'UTF8')"} where ${where} and version = 2`,
      "leaf hash is not the hash of the leaf",
    ],
    [
      "a tag cleared",
      ({ where }) =>
        `update events set tag = ${engine === "sqlite" ? "zeroblob(32)" : "decode(repeat('00', 32), 'hex')"} where ${where} and version = 3`,
      "admission tag is false",
    ],
    [
      "two events swapped",
      ({ where }) =>
        `update events set version = case version when 2 then 903 else 902 end where ${where} and version in (2, 3); `,
      "is missing",
    ],
  ])("names the link for %s", async (title, statement, detail) => {
    const link = await makeLink(title.replaceAll(/[^a-z]/g, "-"));
    const findings = await findingsAfter(statement(link));
    const ofLink = findings.filter(({ subject }) => subject === link.name || subject === `url:${link.id}`);
    expect(ofLink.map((finding) => finding.detail).join("; ")).toContain(detail);
    const strangers = findings.filter(
      ({ subject }) => subject.startsWith("url:") && subject !== link.name && subject !== `url:${link.id}`,
    );
    expect(strangers).toEqual([]);
  });

  test("takes erased disclosures for what they are where an erasure says so: counted, not false", async () => {
    const user = (await server.call("POST", "/users", { username: "gone", email: "gone@example.com" })).json;
    const key = (await server.call("POST", `/users/${user.id}/keys`, { name: "k", role: "editor" })).json;
    const link = await makeLink("erased");
    await server.call("PUT", `/urls/${link.id}`, { title: "by somebody" }, { key: key.key });
    const before = await findFalsehoods(server.deadletter);
    const countErased = async () => {
      const { store, logKey } = server.deadletter.core;
      return (await verify(store, logKey, { onFinding: () => {} })).erased;
    };
    const erasedBefore = await countErased();
    expect((await server.call("POST", `/users/${user.id}/erase`)).json.erased).toEqual({ actors: 1, states: 1 });
    expect(await findFalsehoods(server.deadletter)).toEqual(before);
    expect(await countErased()).toBe(erasedBefore + 2);
  });

  test("names disclosures that somebody removed without an erasure", async () => {
    const link = await makeLink("hushed");
    const findings = await findingsAfter(
      `update events set actor = null, user_id = null, state = null where ${link.where} and version = 2`,
    );
    expect(findings).toEqual([
      { subject: `url:${link.id}`, detail: "version 2: its actor was removed, and no erasure says so" },
      { subject: `url:${link.id}`, detail: "version 2: its state was removed, and no erasure says so" },
    ]);
  });

  test.each([
    ["below every id", "-9223372036854775808"],
    ["beyond every id", "9223372036854775807"],
    ["at zero", "0"],
  ])("notices a link smuggled in %s", async (_, id) => {
    const { id: from } = await makeLink(`victim${id}`.slice(0, 20).replace(/-/g, "_"));
    const code = `x${id.replace("-", "_")}`;
    const findings = await findingsAfter(
      `insert into urls (id, short_code, original_url, title, is_active, expires_at_ms, user_id, created_at_ms, updated_at_ms, version, head) select ${id}, '${code}', original_url, title, is_active, expires_at_ms, user_id, created_at_ms, updated_at_ms, version, head from urls where id = ${from}`,
    );
    expect(findings.map(({ subject }) => subject)).toContain("table of url");
    await server.store.tamper(`delete from urls where short_code = '${code}'`, { guardsOff: true });
  });

  test("notices an event of a subject that cannot be", async () => {
    const link = await makeLink("strange-subject");
    const findings = await findingsAfter(`update events set subject_type = 'foo' where ${link.where} and version = 3`);
    expect(findings.map(({ subject }) => subject)).toContain("table of events");
  });

  test("names an event inserted by SQL, even a faithful copy of a true one's form", async () => {
    const link = await makeLink("forged-event");
    const [event] = await server.store.query<{ leaf: Uint8Array; actor: string; state: string }>(
      `select leaf, actor, state from events where ${link.where} and version = 3`,
    );
    const { encodeLeaf, hashLeaf, digestOf } = await import("../../src/audit/event.ts");
    const [head] = await server.store.query<{ head: Uint8Array }>(`select head from urls where id = ${link.id}`);
    // Everything is right but the tag, whose key is not in the database.
    const state = (event?.state ?? "").replace('"version":3', '"version":4');
    const leaf = encodeLeaf(
      {
        subjectType: "url",
        subjectId: link.id,
        version: 4,
        op: "updated",
        atMs: 1_900_000_000_000,
        previousHash: new Uint8Array(head?.head ?? []),
      },
      [digestOf(event?.actor ?? ""), digestOf(state)],
    );
    const bytes = (value: Uint8Array) =>
      engine === "sqlite"
        ? `x'${Buffer.from(value).toString("hex")}'`
        : `decode('${Buffer.from(value).toString("hex")}', 'hex')`;
    const findings = await findingsAfter(
      `insert into events (subject_type, subject_id, version, op, at_ms, leaf, leaf_hash, tag, actor, state, user_id) values ('url', ${link.id}, 4, 'updated', 1900000000000, ${bytes(leaf)}, ${bytes(hashLeaf(leaf))}, ${bytes(new Uint8Array(32))}, ${quoted(event?.actor ?? "")}, ${quoted(state)}, ${server.adminId})`,
    );
    const details = findings
      .filter(({ subject }) => subject.startsWith(`url:${link.id}`))
      .map(({ detail }) => detail)
      .join("; ");
    expect(details).toContain("version 4: admission tag is false");
    expect(details).toContain("one was removed or added");
    expect(details).toContain("is in neither queue nor log");
  });

  test("names the last of more links than are read at once, and that one alone", async () => {
    const { core, self } = server.deadletter;
    const many = LIMITS.verifyBatchRows + 10;
    await apply(
      core,
      self,
      Array.from({ length: many }, (): Command => ({ type: "link.create", original_url: "https://a.b/" })),
    );
    const found = await findingsAfter("update urls set title = 'false' where id = (select max(id) from urls)");
    expect(found.map(({ detail }) => detail)).toEqual(["title is not what its history says"]);
  }, 60_000);

  test("names a key whose role or hash was changed, and a user who was renamed", async () => {
    const user = (await server.call("POST", "/users", { username: "victim", email: "v@example.com" })).json;
    const key = (await server.call("POST", `/users/${user.id}/keys`, { name: "k", role: "reader" })).json;
    expect(await findingsAfter(`update keys set role = 'admin' where id = ${key.id}`)).toContainEqual({
      subject: `key:${key.id}`,
      detail: "role is not what its history says",
    });
    expect(await findingsAfter(`update keys set key_hash = 'mine' where id = ${key.id}`)).toContainEqual({
      subject: `key:${key.id}`,
      detail: "key_hash is not what its history says",
    });
    expect(await findingsAfter(`update users set email = 'evil@example.com' where id = ${user.id}`)).toContainEqual({
      subject: `user:${user.id} (victim)`,
      detail: "email is not what its history says",
    });
  });

  test("names a queue row taken away, and counters that lie", async () => {
    const link = await makeLink("unqueued");
    const findings = await findingsAfter(
      `delete from log_queue where event_id in (select id from events where ${link.where} and version = 2)`,
    );
    expect(findings).toContainEqual({
      subject: `${link.name}`,
      detail: "version 2: is in neither queue nor log",
    });
    const lies = await findingsAfter("update counters set value = value + 5 where name = 'events:url:created'");
    expect(lies.some(({ subject }) => subject === "counter events:url:created")).toBe(true);
  });
});
