import { expect, test } from "bun:test";
import { createStore, describeEachEngine, startServer } from "../support/harness.ts";

describeEachEngine("links", (server, engine) => {
  const create = async (body: object = {}) =>
    (await server().call("POST", "/urls", { original_url: "https://example.com/page", ...body })).json;

  test("create answers 201, Location, ETag, the whole link, and writes one created event", async () => {
    const { call, adminId } = server();
    const answer = await call(
      "POST",
      "/urls",
      {
        original_url: "  https://Example.com/Ünï?q=1  ",
        title: " T ",
        short_code: "first-1",
        expires_at: "2999-01-01T00:00:00+01:00",
      },
      { headers: { "x-request-id": "req-abc" } },
    );
    expect(answer.status).toBe(201);
    expect(answer.headers.get("location")).toBe("/urls/first-1");
    expect(answer.headers.get("etag")).toBe('"1"');
    expect(answer.headers.get("x-request-id")).toBe("req-abc");
    const link = answer.json;
    expect(Object.keys(link)).toEqual([
      "id",
      "short_code",
      "short_url",
      "original_url",
      "title",
      "is_active",
      "expires_at",
      "user_id",
      "created_at",
      "updated_at",
      "version",
      "tags",
      "starts_at",
      "status",
      "max_age",
      "forward",
      "query_wins",
      "incident_id",
    ]);
    expect(link).toMatchObject({
      short_code: "first-1",
      original_url: "https://Example.com/Ünï?q=1",
      title: "T",
      is_active: true,
      expires_at: "2998-12-31T23:00:00.000Z",
      user_id: adminId,
      version: 1,
    });
    expect(link.created_at).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);

    const { short_url, ...state } = link;
    expect(short_url).toBe(`${server().listeners.baseUrl}/first-1`);

    const read = await call("GET", "/urls/first-1");
    expect(read.json.clicks).toBe(0);
    expect(read.json.events).toHaveLength(1);
    expect(read.json.events[0]).toMatchObject({
      url_id: link.id,
      user_id: adminId,
      event_type: "created",
      version: 1,
      request_id: "req-abc",
      reason: null,
      timestamp: link.created_at,
      details: {
        short_code: "first-1",
        original_url: "https://Example.com/Ünï?q=1",
        link: state,
        changes: { title: { from: null, to: "T" } },
      },
      actor: { user_id: adminId, via: "http" },
    });
    expect(await call("GET", `/urls/${link.id}`)).toMatchObject({ json: read.json });
  });

  test("a generated code is six characters with a letter", async () => {
    expect((await create()).short_code).toMatch(/^(?=.*[A-Za-z])[A-Za-z0-9]{6}$/);
  });

  test("a taken code is 409, also when its link is deleted", async () => {
    const { call } = server();
    await create({ short_code: "taken" });
    expect(await call("POST", "/urls", { original_url: "https://a.b/", short_code: "taken" })).toMatchObject({
      status: 409,
      json: { error: "conflict" },
    });
    await call("DELETE", "/urls/taken");
    expect((await call("POST", "/urls", { original_url: "https://a.b/", short_code: "taken" })).status).toBe(409);
    // Codes are told apart by case.
    expect((await call("POST", "/urls", { original_url: "https://a.b/", short_code: "Taken" })).status).toBe(201);
  });

  test("update by PUT and PATCH changes what is named, and says what changed", async () => {
    const { call } = server();
    const link = await create({ title: "old" });
    const put = await call("PUT", `/urls/${link.short_code}`, {
      title: "new",
      expires_at: "2999-01-01T00:00:00Z",
      reason: "renamed",
    });
    expect(put).toMatchObject({
      status: 200,
      json: {
        ...link,
        title: "new",
        expires_at: "2999-01-01T00:00:00.000Z",
        version: 2,
        updated_at: put.json.updated_at,
      },
    });
    const patch = await call("PATCH", `/urls/${link.id}`, {
      expires_at: null,
      original_url: "https://example.com/other",
    });
    expect(patch.json).toMatchObject({
      title: "new",
      expires_at: null,
      original_url: "https://example.com/other",
      version: 3,
    });
    const { json: events } = await call("GET", `/urls/${link.id}/events`);
    expect(events.map((event: { event_type: string }) => event.event_type)).toEqual(["created", "updated", "updated"]);
    expect(events[1]).toMatchObject({
      reason: "renamed",
      details: {
        changes: { title: { from: "old", to: "new" }, expires_at: { from: null, to: "2999-01-01T00:00:00.000Z" } },
      },
    });
    expect(events[2].details.changes).toEqual({
      original_url: { from: link.original_url, to: "https://example.com/other" },
      expires_at: { from: "2999-01-01T00:00:00.000Z", to: null },
    });
  });

  test("an update that changes nothing is 200 and writes no event", async () => {
    const { call } = server();
    const link = await create({ title: "same" });
    expect(await call("PUT", `/urls/${link.id}`, { title: " same ", original_url: link.original_url })).toMatchObject({
      status: 200,
      json: link,
    });
    expect((await call("PATCH", `/urls/${link.id}`, {})).status).toBe(200);
    expect((await call("PUT", `/urls/${link.id}`, {})).status).toBe(400);
    expect((await call("PUT", "/urls/nobody-has-it", {})).status).toBe(404);
    expect((await call("PUT", `/users/${server().adminId}`, {})).status).toBe(400);
    expect((await call("GET", `/urls/${link.id}/events`)).json).toHaveLength(1);
  });

  test("If-Match: the version, any, or 412 without an event", async () => {
    const { call } = server();
    const { id } = await create();
    const put = (title: string, tag: string) => call("PUT", `/urls/${id}`, { title }, { headers: { "if-match": tag } });
    expect((await put("a", '"1"')).status).toBe(200);
    for (const stale of ['"1"', 'W/"2"', '"x"', '"1", "7"'])
      expect(await put("b", stale)).toMatchObject({ status: 412, json: { error: "precondition_failed" } });
    expect((await put("c", "*")).status).toBe(200);
    expect((await put("d", '"1", "3"')).status).toBe(200);
    expect((await put("e", "unquoted")).status).toBe(400);
    expect((await call("DELETE", `/urls/${id}`, undefined, { headers: { "if-match": '"1"' } })).status).toBe(412);
    expect((await call("GET", `/urls/${id}/events`)).json).toHaveLength(4);
  });

  test("delete with no body, null or a reason; then 409, 404 for changes, and restore", async () => {
    const { call } = server();
    const [one, two, three] = [await create(), await create(), await create()];
    expect((await call("DELETE", `/urls/${one.id}`)).json).toMatchObject({ id: one.id, is_active: false, version: 2 });
    expect((await call("DELETE", `/urls/${two.id}`, "null")).status).toBe(200);
    expect((await call("DELETE", `/urls/${three.id}`, { reason: "duplicate" })).status).toBe(200);
    expect(await call("DELETE", `/urls/${one.id}`)).toMatchObject({ status: 409, json: { error: "conflict" } });
    expect(await call("PUT", `/urls/${one.id}`, { title: "x" })).toMatchObject({
      status: 404,
      json: { error: "not_found" },
    });
    expect((await call("GET", `/urls/${one.id}`)).json.is_active).toBe(false);
    expect((await call("GET", `/urls/${one.id}/events`)).json[1]).toMatchObject({
      event_type: "deleted",
      reason: "user_requested",
    });
    expect((await call("GET", `/urls/${three.id}/events`)).json[1]).toMatchObject({
      reason: "duplicate",
      details: { reason: "duplicate", changes: { is_active: { from: true, to: false } } },
    });
    expect((await call("POST", `/urls/${one.id}/restore`, { reason: "sorry" })).json).toMatchObject({
      is_active: true,
      version: 3,
    });
    expect(await call("POST", `/urls/${one.id}/restore`)).toMatchObject({ status: 409 });
    expect((await call("DELETE", "/urls/nobody-has-this")).status).toBe(404);
    expect((await call("POST", "/urls/999999/restore")).status).toBe(404);
  });

  test("is_active:false in an update deletes; true is refused", async () => {
    const { call } = server();
    const { id } = await create();
    expect(await call("PUT", `/urls/${id}`, { is_active: true })).toMatchObject({ status: 400 });
    expect((await call("PUT", `/urls/${id}`, { is_active: false, reason: "expired" })).json.is_active).toBe(false);
    expect((await call("GET", `/urls/${id}/events`)).json[1]).toMatchObject({
      event_type: "deleted",
      reason: "expired",
    });
  });

  test("?at= shows the link as it stood, and 404 before it was made", async () => {
    const { call, setClock } = server();
    const start = Date.UTC(2030, 0, 1);
    const at = async (ms: number) => {
      setClock(() => start + ms);
    };
    await at(0);
    const { id } = await create({ title: "v1" });
    await at(1_000);
    await call("PUT", `/urls/${id}`, { title: "v2" });
    await at(2_000);
    await call("DELETE", `/urls/${id}`);
    setClock(Date.now);
    const past = (ms: number) =>
      call("GET", `/urls/${id}?at=${encodeURIComponent(new Date(start + ms).toISOString())}`);
    expect((await past(0)).json).toMatchObject({ title: "v1", version: 1, is_active: true });
    expect((await past(999)).json).toMatchObject({ title: "v1", version: 1 });
    expect((await past(1_000)).json).toMatchObject({ title: "v2", version: 2 });
    expect((await past(5_000)).json).toMatchObject({ title: "v2", version: 3, is_active: false });
    expect((await past(-1)).status).toBe(404);
    expect((await call("GET", `/urls/${id}?at=yesterday`)).status).toBe(400);
  });

  test("a clock that goes back never orders a history wrongly", async () => {
    const { call, setClock } = server();
    setClock(() => Date.UTC(2031, 0, 1));
    const { id } = await create();
    setClock(() => Date.UTC(2031, 0, 1) - 60_000);
    const { json } = await call("PUT", `/urls/${id}`, { title: "later" });
    setClock(Date.now);
    expect(json.updated_at).toBe("2031-01-01T00:00:00.000Z");
  });

  test("listing pages by cursor and by page, newest first, each link once", async () => {
    const { call, adminKey } = server();
    const made: string[] = [];
    for (let index = 0; index < 7; index++) made.unshift((await create({ title: `paged ${engine}` })).short_code);
    const seen: string[] = [];
    let path: string | undefined = `/urls?q=${encodeURIComponent(`PAGED ${engine}`)}&per_page=3`;
    while (path !== undefined) {
      const page = await call("GET", path, undefined, { key: adminKey });
      expect(page.json.length).toBeLessThanOrEqual(3);
      seen.push(...page.json.map((link: { short_code: string }) => link.short_code));
      path = /^<([^>]+)>; rel="next"$/.exec(page.headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual(made);
    const second = await call("GET", `/urls?q=paged+${engine}&per_page=3&page=2`);
    expect(second.json.map((link: { short_code: string }) => link.short_code)).toEqual(made.slice(3, 6));
  });

  test("listing filters by owner, state and text, and takes wildcards literally", async () => {
    const { call, adminId } = server();
    const link = await create({ title: "50% off_now Özil" });
    await call("DELETE", `/urls/${link.id}`);
    const codes = async (query: string) =>
      (await call("GET", `/urls?${query}`)).json.map((each: { id: number }) => each.id);
    expect(await codes("q=50%25+off_now")).toEqual([link.id]);
    expect(await codes("q=50%25+offXnow")).toEqual([]);
    expect(await codes(`q=${encodeURIComponent("Özil")}`)).toEqual([link.id]);
    expect(await codes(`q=${encodeURIComponent("ÖZIL")}`)).toEqual([link.id]);
    expect(await codes(`q=off_now&is_active=false&user_id=${adminId}`)).toEqual([link.id]);
    expect(await codes("q=off_now&is_active=true")).toEqual([]);
    expect(await codes("user_id=999999")).toEqual([]);
  });

  test("a link's own target host is refused; a user may not name another owner", async () => {
    const { call, listeners, adminId } = server();
    const { port } = new URL(listeners.baseUrl);
    const names = [
      "127.0.0.1",
      "127.0.0.1..",
      "127.8.9.1",
      "localhost",
      "LOCALHOST.",
      "a.localhost",
      "[::1]",
      "0.0.0.0",
    ];
    for (const name of [...names, "[::]", "[::ffff:127.0.0.1]", "2130706433"])
      expect([name, (await call("POST", "/urls", { original_url: `http://${name}:${port}/abc` })).status]).toEqual([
        name,
        400,
      ]);
    expect((await call("POST", "/urls", { original_url: "http://localhost:1/abc" })).status).toBe(201);
    const user = (await call("POST", "/users", { username: `owner-${engine}`, email: "o@example.com" })).json;
    const { key } = (await call("POST", `/users/${user.id}/keys`, { name: "k", role: "creator" })).json;
    expect((await call("POST", "/urls", { original_url: "https://a.b/" }, { key })).json.user_id).toBe(user.id);
    expect((await call("POST", "/urls", { original_url: "https://a.b/", user_id: user.id }, { key })).status).toBe(201);
    expect((await call("POST", "/urls", { original_url: "https://a.b/", user_id: adminId }, { key })).status).toBe(403);
    expect((await call("POST", "/urls", { original_url: "https://a.b/", user_id: user.id })).json.user_id).toBe(
      user.id,
    );
    expect((await call("POST", "/urls", { original_url: "https://a.b/", user_id: 424242 })).status).toBe(404);
  });

  test("after all of this the audit log is true", async () => {
    expect(await server().verify()).toEqual([]);
  });
});

test("a link to the API's own listener, which redirects as well, is refused like one to the public's", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store, {
    ADMIN_LISTEN: "127.0.0.1:0",
    DEADLETTER_OWN_HOSTS: "go.example.com,go:8080",
  });
  const { baseUrl, apiUrl } = server.listeners;
  const ports = [new URL(baseUrl).port, new URL(apiUrl).port];
  for (const target of [
    ...ports.map((port) => `http://localhost:${port}/loop`),
    "https://GO.example.com./loop",
    "http://go:8080/loop",
  ])
    expect([target, (await server.call("POST", "/urls", { original_url: target })).status]).toEqual([target, 400]);
  expect((await server.call("POST", "/urls", { original_url: "http://go:8081/page" })).status).toBe(201);
  await server.close();
  store.remove();
});
