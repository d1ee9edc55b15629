import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStore, ENGINES, startServer, type TestStore } from "../support/harness.ts";
import { runDeadletter } from "../support/process.ts";

const USERS = `id,username,email,created_at
1,ada,ada@example.com,2025-11-02 16:29:04
7,grace,grace@example.com,2025-11-03 16:29:04
`;
const URLS = `id,user_id,short_code,original_url,title,is_active,created_at,updated_at
3,1,OvfxQA,https://example.com/1,"Road, map ""x""",True,2025-06-09 11:24:49,2025-07-15 11:30:38
9,7,x5QfF6,https://example.com/ü,,False,2025-03-18 09:49:04.123456,2026-02-15 07:42:23
12,7,gone01,https://example.com/3,t,False,2025-03-18 09:49:04,2026-02-15 07:42:23
13,7,back01,https://example.com/4,t,True,2025-03-18 09:49:04,2026-02-15 07:42:23
`;
const EVENTS = `id,url_id,user_id,event_type,timestamp,details
1,3,1,created,2025-06-09 11:24:49,"{""short_code"":""OvfxQA"",""original_url"":""https://example.com/1""}"
3,12,7,deleted,2025-06-11 11:24:49,"{""reason"":""duplicate""}"
2,12,7,created,2025-06-10 11:24:49,"{""short_code"":""gone01""}"
4,13,7,deleted,2025-06-11 11:24:49,"{""reason"":""expired""}"
`;

async function withFiles(
  files: { users?: string; urls?: string; events?: string },
  run: (flags: string[]) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "deadletter-import-"));
  const contents = { users: USERS, urls: URLS, events: EVENTS, ...files };
  const flags = Object.entries(contents).flatMap(([name, text]) => {
    writeFileSync(join(directory, `${name}.csv`), text);
    return [`--${name}`, join(directory, `${name}.csv`)];
  });
  try {
    await run(flags);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Nothing was imported; on the embedded engine not even an empty store was left behind. */
async function isUntouched(store: TestStore): Promise<boolean> {
  if (store.engine === "sqlite" && !existsSync(join(store.config.dataDir, "deadletter.db"))) return true;
  const catalog =
    store.engine === "sqlite"
      ? "sqlite_master where name = 'users'"
      : "information_schema.tables where table_name = 'users'";
  const [found] = await store.query<{ n: number }>(`select count(*) as n from ${catalog}`);
  if (Number(found?.n) === 0) return true;
  const [rows] = await store.query<Record<string, number>>(
    "select (select count(*) from users) as users, (select count(*) from events) as events",
  );
  return Object.values(rows ?? {}).every((n) => Number(n) === 0);
}

describe.each([...ENGINES])("import on %s", (engine) => {
  test("brings everything in once: ids, codes, owners, times, titles, history; contradictions are named", async () => {
    const store = await createStore(engine);
    await withFiles({}, async (flags) => {
      const dry = await runDeadletter(["import", ...flags, "--dry-run", "--json"], store.environment);
      expect([dry.exitCode, JSON.parse(dry.stdout).users.imported]).toEqual([0, 2]);
      expect(await isUntouched(store)).toBe(true);

      const { exitCode, stdout, stderr } = await runDeadletter(["import", ...flags, "--json"], store.environment);
      expect([exitCode, stderr.replaceAll(/(?:checked|imported) \d\/6\n/g, "")]).toEqual([0, ""]);
      expect(JSON.parse(stdout)).toEqual({
        dry_run: false,
        users: { imported: 2, unchanged: 0 },
        links: { imported: 4, unchanged: 0 },
        events: 4,
        contradictions: { active_though_deleted: ["back01"], inactive_without_deletion: ["x5QfF6"] },
      });
      const events = await store.query("select id, version, op from events order by id");
      expect(events).toHaveLength(6);

      const again = await runDeadletter(["import", ...flags], store.environment);
      expect(again.exitCode).toBe(0);
      expect(again.stdout).toContain("nothing to import: all 2 users and 4 links are here already");
      expect(await store.query("select id, version, op from events order by id")).toEqual(events);
    });

    const server = await startServer(store);
    const key = server.adminKey;
    const read = async (path: string) => (await server.call("GET", path, undefined, { key })).json;
    expect(await read("/urls/OvfxQA")).toMatchObject({
      id: 3,
      user_id: 1,
      short_code: "OvfxQA",
      original_url: "https://example.com/1",
      title: 'Road, map "x"',
      is_active: true,
      created_at: "2025-06-09T11:24:49.000Z",
      updated_at: "2025-07-15T11:30:38.000Z",
      version: 1,
    });
    expect((await read("/urls/9")).created_at).toBe("2025-03-18T09:49:04.123Z");
    const [event] = (await read("/urls/gone01")).events;
    expect(event).toMatchObject({ event_type: "imported", version: 1 });
    // Verbatim, as the file had it, oldest first.
    expect(event.details.legacy_history).toEqual([
      {
        id: "2",
        user_id: "7",
        event_type: "created",
        timestamp: "2025-06-10 11:24:49",
        details: '{"short_code":"gone01"}',
      },
      {
        id: "3",
        user_id: "7",
        event_type: "deleted",
        timestamp: "2025-06-11 11:24:49",
        details: '{"reason":"duplicate"}',
      },
    ]);
    expect(await read("/users/7")).toMatchObject({ username: "grace", created_at: "2025-11-03T16:29:04.000Z" });
    // What comes after does not collide with what came in.
    const made = (await server.call("POST", "/urls", { original_url: "https://a.b/" }, { key })).json;
    expect(made.id).toBeGreaterThan(13);
    // An imported link lives on like any other, and importing again leaves it alone.
    expect((await server.call("PUT", "/urls/OvfxQA", { title: "mine now" }, { key })).json.version).toBe(2);
    await withFiles({}, async (flags) => {
      const { stdout } = await runDeadletter(["import", ...flags, "--json"], store.environment);
      expect(JSON.parse(stdout).links).toEqual({ imported: 0, unchanged: 4 });
    });
    expect((await read("/urls/OvfxQA")).title).toBe("mine now");
    expect(await server.verify()).toEqual([]);
    await server.close();
    store.remove();
  });

  test("does not get in the way of those who make links meanwhile", async () => {
    const store = await createStore(engine);
    const server = await startServer(store);
    const many = Array.from(
      { length: 300 },
      (_, index) => `${index + 1},1,imp${index}x,https://example.com/,t,True,2025-06-09 11:24:49,2025-07-15 11:30:38`,
    );
    await withFiles(
      {
        users: USERS.replace("1,ada", "11,ada"),
        urls: `${URLS.split("\n")[0]}\n${many.join("\n").replaceAll(/,1,imp/g, ",11,imp")}\n`,
        events: `${EVENTS.split("\n")[0]}\n`,
      },
      async (flags) => {
        let isOver = false;
        const made: number[] = [];
        const writers = Array.from({ length: 4 }, async () => {
          while (!isOver) made.push((await server.call("POST", "/urls", { original_url: "https://a.b/" })).status);
        });
        const { exitCode, stderr } = await runDeadletter(["import", ...flags], store.environment);
        isOver = true;
        await Promise.all(writers);
        // The import comes second where a link has an id of its already; either way nobody else is told of a failure.
        expect([0, 4]).toContain(exitCode);
        if (exitCode === 4) expect(stderr).toMatch(/link \d+ \(imp\d+x\): the id is in use|its \w+ is taken/);
        expect(made.filter((status) => status !== 201)).toEqual([]);
      },
    );
    expect(await server.verify()).toEqual([]);
    await server.close();
    store.remove();
  }, 60_000);

  test("is all or nothing: a conflict in the last row leaves no row behind", async () => {
    const store = await createStore(engine);
    const server = await startServer(store);
    await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "back01" });
    await withFiles(
      { users: USERS.replace("1,ada", "2,ada"), urls: URLS.replaceAll(",1,", ",2,"), events: EVENTS },
      async (flags) => {
        const { exitCode, stderr } = await runDeadletter(["import", ...flags], store.environment);
        expect([exitCode, stderr.includes("urls line 5: link 13 (back01): its short_code is taken")]).toEqual([
          4,
          true,
        ]);
      },
    );
    expect(await store.query("select id from users where username = 'ada'")).toEqual([]);
    expect(await server.verify()).toEqual([]);
    await server.close();
    store.remove();
  });

  test.each<[string, Parameters<typeof withFiles>[0], RegExp]>([
    ["a truncated file", { events: EVENTS.slice(0, -20) }, /events\.csv line \d+: .*[Qq]uote/],
    ["a row cut short", { urls: `${URLS}14,7,short1\n` }, /urls\.csv line 6: Invalid Record Length/],
    [
      "a bad time",
      { users: USERS.replace("2025-11-02 16:29:04", "2025-02-30 16:29:04") },
      /users\.csv line 2: created_at/,
    ],
    ["a bad boolean", { urls: URLS.replace("True", "maybe") }, /urls\.csv line 2: is_active/],
    ["a bad URL", { urls: URLS.replace("https://example.com/3", "javascript:x") }, /urls\.csv line 4: original_url/],
    ["a bad code", { urls: URLS.replace("OvfxQA", "123456") }, /urls\.csv line 2: short_code/],
    [
      "a code twice",
      { urls: URLS.replace("x5QfF6", "OvfxQA") },
      /urls\.csv line 3: short_code OvfxQA stands on line 2 already/,
    ],
    ["a bad id", { users: USERS.replace("7,grace", "-7,grace") }, /users\.csv line 3: id/],
    ["an event of no link", { events: EVENTS.replace("4,13", "4,99") }, /events\.csv line 5: url_id/],
    [
      "details that are no JSON",
      { events: EVENTS.replace('"{""reason"":""expired""}"', "{broken") },
      /events\.csv line 5: details/,
    ],
    ["wrong columns", { users: USERS.replace("username", "name") }, /users\.csv line 1: the columns must be/],
    [
      "an owner nobody knows",
      { urls: URLS.replace("9,7,", "9,8,") },
      /urls line 3: link 9 \(x5QfF6\): there is no user 8/,
    ],
    ["an empty file", { users: "" }, /users\.csv line 1/],
  ])("%s: one line that says where, exit 2, nothing imported", async (_, files, message) => {
    const store = await createStore(engine);
    await withFiles(files, async (flags) => {
      const { exitCode, stderr, stdout } = await runDeadletter(["import", ...flags], store.environment);
      const said = stderr.split("\n").filter((line) => line.startsWith("deadletter: "));
      expect([exitCode, said.length, stdout]).toEqual([2, 1, ""]);
      expect(said[0]).toMatch(message);
    });
    expect(await isUntouched(store)).toBe(true);
    store.remove();
  });
});
