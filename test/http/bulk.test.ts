// Bulk requests: one command a row, one answer a row, each failing alone.

import { expect, test } from "bun:test";
import { DeadletterError } from "../../src/errors.ts";
import { readRows } from "../../src/http/rows.ts";
import { RowsAhead } from "../../src/http/rows-ahead.ts";
import { LIMITS } from "../../src/limits.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import type { Store } from "../../src/store/store.ts";
import { describeEachEngine, until } from "../support/harness.ts";

// biome-ignore lint/suspicious/noExplicitAny: an answer's JSON is whatever the server sent; tests look into it.
type Json = any;

describeEachEngine("bulk", (server, engine) => {
  async function send(
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    type = "application/x-ndjson",
    headers: Record<string, string> = {},
  ) {
    const authorization = headers.authorization ?? `Bearer ${server().adminKey}`;
    const init = { method: "POST", body, headers: { "content-type": type, ...headers, authorization } };
    const response = await fetch(server().listeners.apiUrl + path, init);
    const text = await response.text();
    const lines: Json[] =
      text === ""
        ? []
        : text
            .trimEnd()
            .split("\n")
            .map((line) => JSON.parse(line));
    return { status: response.status, type: response.headers.get("content-type"), lines };
  }
  const ndjson = (...rows: object[]) => rows.map((row) => JSON.stringify(row)).join("\n");
  const link = (code: string, more: object = {}) => ({ original_url: "https://a.example/", short_code: code, ...more });
  const countEvents = async () =>
    Number((await server().store.query<{ n: number }>("select count(*) as n from events"))[0]?.n);

  /** Has the database refuse new links of which the condition is true, until what it resolves with is called. */
  async function curse(condition: string): Promise<() => Promise<void>> {
    const { tamper } = server().store;
    await tamper(
      engine === "sqlite"
        ? `create trigger cursed before insert on urls when ${condition} begin select raise(abort, 'injected'); end`
        : `create function cursed() returns trigger language plpgsql as $$ begin raise exception 'injected'; end $$;
           create trigger cursed before insert on urls for each row when (${condition}) execute function cursed()`,
    );
    return () => tamper(engine === "sqlite" ? "drop trigger cursed" : "drop function cursed cascade");
  }

  test("answers each row in order, with the link or with what is wrong with that row alone", async () => {
    const before = await countEvents();
    const rows = [
      link("bulk-a"),
      link("bulk-b", { title: "b" }),
      link("bulk-a"),
      { original_url: "javascript:alert(1)" },
      { command: "update", link: "bulk-b", title: "c", if_version: 7 },
      { command: "update", link: "bulk-b", title: "c", if_version: 1 },
      { command: "delete", link: "bulk-a", reason: "duplicate" },
      { command: "restore", link: "nobody" },
      { command: "erase", link: "bulk-a" },
      { command: "delete", link: "bulk-a" },
      link("bulk-c", { colour: "red" }),
      { command: "update", title: "which?" },
      link("bulk-d", { type: "link.import" }),
    ];
    const { status, type, lines } = await send("/urls/bulk", `${ndjson(...rows)}\n\n[1]\n{"a":\n`);
    expect([status, type]).toEqual([200, "application/x-ndjson"]);
    expect(lines.map(({ line, status, error }) => [line, status, error])).toEqual([
      [1, 201, undefined],
      [2, 201, undefined],
      [3, 409, "conflict"],
      [4, 400, "bad_request"],
      [5, 412, "precondition_failed"],
      [6, 200, undefined],
      [7, 200, undefined],
      [8, 404, "not_found"],
      [9, 400, "bad_request"],
      [10, 409, "conflict"],
      [11, 400, "bad_request"],
      [12, 400, "bad_request"],
      [13, 400, "bad_request"],
      [15, 400, "bad_request"],
      [16, 400, "bad_request"],
    ]);
    expect(lines[5].link).toMatchObject({ short_code: "bulk-b", title: "c", version: 2 });
    expect(lines[6].link.is_active).toBe(false);
    expect(await countEvents()).toBe(before + 4);
    // The name of a route is not taken from a link.
    expect((await server().call("GET", "/urls/bulk")).status).toBe(404);
  });

  test("takes a JSON array and CSV as well, and names what is no such thing", async () => {
    const array = JSON.stringify(
      [link("array-a", { title: '"],[{' }), { command: "delete", link: "array-a" }, 3],
      null,
      1,
    );
    expect(
      (await send("/urls/bulk", array, "application/json")).lines.map(({ line, status }) => [line, status]),
    ).toEqual([
      [1, 201],
      [2, 200],
      [3, 400],
    ]);
    const csv =
      '\ufeffcommand,link,short_code,original_url,title,expires_at\r\n,,csv-a,https://a.example/,"a, ""quoted"" title",\r\n' +
      "create,,csv-b,https://a.example/,,2090-01-01T00:00:00Z\r\nupdate,csv-a,,,new,\r\nupdate,csv-a\r\n";
    const { lines } = await send("/urls/bulk", csv, "text/csv; charset=utf-8");
    expect(lines.map(({ status }) => status)).toEqual([201, 201, 200, 400]);
    expect(lines[0].link.title).toBe('a, "quoted" title');
    expect(lines[1].link.expires_at).toBe("2090-01-01T00:00:00.000Z");
    expect((await send("/urls/bulk", "x", "text/plain")).status).toBe(415);
    expect((await send("/urls/bulk", '{"a":1}', "application/json")).status).toBe(400);
    expect((await send("/urls/bulk", "[{}", "application/json")).lines.at(-1)).toMatchObject({ error: "bad_request" });
    expect((await send("/urls/bulk", new Uint8Array([0xff, 0xfe]))).lines.at(-1)).toMatchObject({
      error: "bad_request",
    });
    expect((await send("/urls/bulk", "")).lines).toEqual([]);
  });

  test("passes over a line that is too long, and goes on", async () => {
    const long = JSON.stringify(link("long-a", { title: "x".repeat(LIMITS.bulkRowChars) }));
    const { lines } = await send("/urls/bulk", `${long}\n${JSON.stringify(link("after-long"))}`);
    expect(lines.map(({ line, status }) => [line, status])).toEqual([
      [1, 413],
      [2, 201],
    ]);
  });

  test("with atomic makes all or nothing, and says which row it was", async () => {
    const before = await countEvents();
    const bad = await send("/urls/bulk?atomic=true", ndjson(link("atomic-a"), link("atomic-b"), link("bulk-b")));
    expect([bad.status, bad.lines[0].detail]).toEqual([409, expect.stringContaining("bulk-b")]);
    const late = await send("/urls/bulk?atomic=true", ndjson(link("atomic-a"), { command: "delete", link: "nobody" }));
    expect([late.status, late.lines[0].detail]).toEqual([404, expect.stringContaining("line 2")]);
    expect(await countEvents()).toBe(before);
    const good = await send("/urls/bulk?atomic=true", ndjson(link("atomic-a"), { command: "delete", link: "bulk-b" }));
    expect(good.lines.map(({ status }) => status)).toEqual([201, 200]);
    const many = Array.from({ length: LIMITS.bulkAtomicRows + 1 }, () => "{}").join("\n");
    expect((await send("/urls/bulk?atomic=true", many)).status).toBe(413);
  });

  test("with dry_run decides and writes nothing", async () => {
    const before = await countEvents();
    const rows = ndjson(link("dry-a"), link("dry-a"), { command: "restore", link: "bulk-b" });
    for (const path of ["/urls/bulk?dry_run=true", "/urls/bulk?dry_run=1"])
      expect((await send(path, rows)).status).toBe(path.endsWith("1") ? 400 : 200);
    expect((await send("/urls/bulk?dry_run=true", rows)).lines.map(({ status }) => status)).toEqual([201, 409, 200]);
    expect(await countEvents()).toBe(before);
  });

  test("with an Idempotency-Key carries each row out once", async () => {
    const rows = ndjson(...Array.from({ length: 700 }, (_, at) => ({ original_url: `https://a.example/${at}` })));
    const first = await send("/urls/bulk", rows, undefined, { "idempotency-key": "file-1" });
    const before = await countEvents();
    const again = await send("/urls/bulk", rows, undefined, { "idempotency-key": "file-1" });
    expect(again.lines.map(({ link }) => link)).toEqual(first.lines.map(({ link }) => link));
    expect(again.lines.every(({ repeated }) => repeated === true)).toBe(true);
    expect(await countEvents()).toBe(before);
    const other = await send("/urls/bulk", ndjson({ original_url: "https://b.example/" }), undefined, {
      "idempotency-key": "file-1",
    });
    expect(other.lines[0]).toMatchObject({ status: 422, error: "idempotency_mismatch" });
  });

  test("holds each row to the caller's role, and stops no row for another's", async () => {
    const user = (await server().call("POST", "/users", { username: "bulky", email: "bulky@a.example" })).json;
    const { key } = (await server().call("POST", `/users/${user.id}/keys`, { name: "k", role: "creator" })).json;
    const headers = { authorization: `Bearer ${key}` };
    await send("/urls/bulk", ndjson(link("role-other")));
    const deletions = ["role-a", "role-other"].map((code) => ({ command: "delete", link: code }));
    const rows = ndjson(link("role-a"), ...deletions, link("role-b", { user_id: 999_999 }));
    const { lines } = await send("/urls/bulk", rows, undefined, headers);
    // A creator deletes its own link, and nobody else's.
    expect(lines.map(({ status }) => status)).toEqual([201, 200, 403, 403]);
    expect((await send("/users/bulk", "", undefined, headers)).status).toBe(403);
    expect((await send("/urls/bulk", "", undefined, { authorization: "Bearer dl_no" })).status).toBe(401);
  });

  test("makes, changes, deactivates and restores users", async () => {
    const made = await send(
      "/users/bulk",
      "username,email\nann,ann@a.example\nbob,bob@a.example\nANN,c@a.example",
      "text/csv",
    );
    expect(made.lines.map(({ status }) => status)).toEqual([201, 201, 409]);
    const { id } = made.lines[0].user;
    const rows = ndjson(
      { command: "update", user: id, email: "ann@b.example" },
      { command: "delete", user: id },
      { command: "delete", user: id },
      { command: "restore", user: id },
    );
    const { lines } = await send("/users/bulk", rows);
    expect(lines.map(({ status, user }) => [status, user?.is_active])).toEqual([
      [200, true],
      [200, false],
      [409, undefined],
      [200, true],
    ]);
  });

  test("a row that breaks a rule of the database's fails alone, and no request is kept from then on", async () => {
    const lift = await curse("new.short_code = 'cursed'");
    for (let at = 0; at <= LIMITS.bulksAtOnce; at++) {
      const rows = ndjson(link(`around-${at}-a`), link("cursed"), link(`around-${at}-b`));
      const { lines } = await send("/urls/bulk", rows);
      expect(lines.map(({ status }) => status)).toEqual([201, 500, 201]);
      expect(lines[1]).toMatchObject({ error: "internal_error", detail: "an unexpected error occurred" });
    }
    await lift();
  });

  test("on PostgreSQL a batch is decided while the one before is written, and written after it, whatever comes of that", async () => {
    const { store } = server().deadletter.core as { store: { begin: Store["begin"] } };
    const { begin } = store;
    const lift = await curse("new.title = 'cursed'");
    let [now, most] = [0, 0];
    store.begin = async (work, options) => {
      if (!options?.isBulk) return begin(work, options);
      most = Math.max(most, ++now);
      return begin(work, options).finally(() => {
        now -= 1;
      });
    };
    const size = LIMITS.bulkBatchRows[engine];
    const rows: object[] = Array.from({ length: size * 10 }, (_, at) => link(`turn-${at}`));
    // A code of the batch before, a batch that fails as a whole, and one that names what the batch before made.
    rows[2 * size] = link("turn-7");
    rows[2 * size + 1] = link(`turn-${2 * size - 1}`);
    rows[4 * size + 9] = link("turn-cursed", { title: "cursed" });
    rows[7 * size] = { command: "delete", link: `turn-${7 * size - 1}` };
    const { lines } = await send("/urls/bulk", ndjson(...rows)).finally(() => {
      store.begin = begin;
    });
    await lift();
    const wanted = rows.map(() => 201);
    for (const at of [2 * size, 2 * size + 1]) wanted[at] = 409;
    wanted[4 * size + 9] = 500;
    wanted[7 * size] = 200;
    expect(lines.map(({ status }) => status)).toEqual(wanted);
    expect(most).toBe(LIMITS.batchesAtOnce[engine]);
    const made = await server().store.query<{ short_code: string }>(
      `select u.short_code from events e join urls u on u.id = e.subject_id
       where e.subject_type = 'url' and e.version = 1 and u.short_code like 'turn-%' order by e.id`,
    );
    expect(made.map(({ short_code }) => short_code)).toEqual(
      lines.filter(({ status }) => status === 201).map(({ link }) => link.short_code),
    );
  });

  test("where a batch finds the database away, the one after it is not carried out", async () => {
    const { store } = server().deadletter.core as { store: { begin: Store["begin"] } };
    const { begin } = store;
    const away = new DeadletterError("unavailable", "away");
    let asked = 0;
    store.begin = (work, options) => {
      if (!options?.isBulk || ++asked !== 5) return begin(work, options);
      return begin(async (tx) => {
        await work(tx);
        throw away;
      }, options).catch(() => {
        throw away;
      });
    };
    const size = LIMITS.bulkBatchRows[engine];
    const rows = Array.from({ length: size * 8 }, (_, at) => link(`gone-${at}`));
    const { lines } = await send("/urls/bulk", ndjson(...rows)).finally(() => {
      store.begin = begin;
    });
    const done = lines.filter(({ status }) => status === 201).length;
    expect(lines.slice(done).map(({ status }) => status)).toEqual(
      Array.from({ length: lines.length - done }, () => 503),
    );
    const made = await server().store.query<{ n: number }>(
      "select count(*) as n from urls where short_code like 'gone-%'",
    );
    expect(Number(made[0]?.n)).toBe(done);
    expect(done).toBeLessThan(rows.length);
  });

  test("the same request twice at once carries each row out once", async () => {
    const rows = ndjson(...Array.from({ length: 300 }, (_, at) => ({ original_url: `https://twice.example/${at}` })));
    const answers = await Promise.all(
      [1, 2, 3].map(() => send("/urls/bulk", rows, undefined, { "idempotency-key": "at-once" })),
    );
    for (const { lines } of answers) expect(lines.map(({ status }) => status)).toEqual(lines.map(() => 201));
    expect(new Set(answers.map(({ lines }) => JSON.stringify(lines.map(({ link }) => link.id)))).size).toBe(1);
  });

  test("a client that goes away before the first answer holds nothing", async () => {
    for (let at = 0; at <= LIMITS.bulksAtOnce; at++) {
      const controller = new AbortController();
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const headers = { authorization: `Bearer ${server().adminKey}`, "content-type": "application/x-ndjson" };
      const init = { method: "POST", body: readable, headers, signal: controller.signal };
      const asked = fetch(`${server().listeners.apiUrl}/urls/bulk?atomic=true`, init).catch(() => "aborted");
      await writable.getWriter().write(new TextEncoder().encode(`${JSON.stringify(link(`away-${at}`))}\n`));
      await Bun.sleep(20);
      controller.abort();
      expect(await asked).toBe("aborted");
    }
    await until("there is room", async () => (await send("/urls/bulk", "")).status === 200);
    expect((await server().call("GET", "/urls/away-0")).status).toBe(404);
  });

  test("takes what a row before it gave up, and no header that names a member twice", async () => {
    const { lines } = await send(
      "/users/bulk",
      ndjson({ username: "first", email: "first@a.example" }, { username: "other", email: "other@a.example" }),
    );
    const rename = { command: "update", user: lines[0].user.id, username: "renamed" };
    const both = await send("/users/bulk", ndjson(rename, { username: "first", email: "again@a.example" }));
    expect(both.lines.map(({ status }) => status)).toEqual([200, 201]);
    const twice = await send(
      "/urls/bulk",
      "original_url,original_url\nhttps://a.example/,https://b.example/",
      "text/csv",
    );
    expect([twice.status, twice.lines[0].error]).toEqual([400, "bad_request"]);
  });

  test("answers as rows come, and loses nothing that it answered where the connection breaks", async () => {
    const controller = new AbortController();
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const bytes = (text: string) => new TextEncoder().encode(text);
    const responding = fetch(`${server().listeners.apiUrl}/urls/bulk`, {
      method: "POST",
      body: readable,
      headers: { authorization: `Bearer ${server().adminKey}`, "content-type": "application/x-ndjson" },
      signal: controller.signal,
    });
    await writer.write(bytes(`${JSON.stringify(link("slow-a"))}\n`));
    const reader = (await responding).body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    expect(JSON.parse(new TextDecoder().decode((await reader.read()).value))).toMatchObject({ line: 1, status: 201 });
    await writer.write(bytes(`${JSON.stringify(link("slow-b"))}\n`));
    expect(JSON.parse(new TextDecoder().decode((await reader.read()).value))).toMatchObject({ line: 2, status: 201 });
    controller.abort();
    await until("both links are there", async () => (await server().call("GET", "/urls/slow-b")).status === 200);
    // What the broken request held is free again.
    for (let at = 0; at <= LIMITS.bulksAtOnce; at++) expect((await send("/urls/bulk", "")).status).toBe(200);
  });

  test("stops at the first row that finds the database away, whatever is wrong with other rows", async () => {
    const { store } = server().deadletter.core as { store: { begin: Store["begin"] } };
    const { begin } = store;
    let asked = 0;
    store.begin = (work, options) => {
      if (!options?.isBulk) return begin(work, options);
      asked += 1;
      return Promise.reject(new DeadletterError("unavailable", "away"));
    };
    const rows = Array.from({ length: 300 }, (_, at) => (at % 10 === 9 ? {} : link(`away-${at}`)));
    const { lines } = await send("/urls/bulk", ndjson(...rows));
    store.begin = begin;
    expect(asked).toBe(1);
    expect(lines.map(({ line, status }) => [line, status])).toEqual(
      Array.from({ length: 9 }, (_, at) => [at + 1, 503]),
    );
  });

  test("lets go of a body whose sender waits, once its answer has ended", async () => {
    const stop = new AbortController();
    let isCancelled = false;
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("{}\n")),
      cancel: () => {
        isCancelled = true;
      },
    });
    const chunks = readRows(new Request("http://a/", { method: "POST", body }), "ndjson", 1_000, stop.signal);
    const read = (rows: readonly { line: number }[]) => rows.map(({ line }) => ({ line, status: 201 }));
    const ahead = new RowsAhead(chunks, read, { clock: systemClock, stop });
    expect(await ahead.take(10)).toEqual([{ line: 1, status: 201 }]);
    ahead.close();
    await until("the body is let go", () => Promise.resolve(isCancelled));
    expect(await ahead.take(10)).toEqual([]);
  });

  test("leaves a store in which all is true", async () => {
    expect(await server().verify()).toEqual([]);
  });
});
