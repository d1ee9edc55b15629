import { expect, test } from "bun:test";
import { factsOf } from "../../src/http/route.ts";
import { describeEachEngine, findFalsehoods } from "../support/harness.ts";

describeEachEngine("users and keys", (server) => {
  const createUser = async (name: string) =>
    (await server().call("POST", "/users", { username: name, email: `${name}@example.com` })).json;
  const createKey = async (userId: number, role: string, more: object = {}) =>
    (await server().call("POST", `/users/${userId}/keys`, { name: role, role, ...more })).json;

  test("create, read with links, list, update", async () => {
    const { call } = server();
    const created = await call("POST", "/users", { username: "ada", email: "Ada@example.com" });
    expect(created.status).toBe(201);
    expect(created.headers.get("location")).toBe(`/users/${created.json.id}`);
    expect(Object.keys(created.json)).toEqual([
      "id",
      "username",
      "email",
      "is_active",
      "created_at",
      "updated_at",
      "version",
    ]);
    await call("POST", "/urls", { original_url: "https://a.b/", user_id: created.json.id });
    const read = await call("GET", `/users/${created.json.id}`);
    expect(read.json).toMatchObject({ username: "ada", urls: [{ original_url: "https://a.b/" }] });
    const list = await call("GET", "/users?per_page=1");
    expect(list.json[0].username).toBe("admin");
    expect(list.headers.get("link")).toContain('rel="next"');
    expect((await call("PUT", `/users/${created.json.id}`, { email: "ada@new.example" })).json).toMatchObject({
      email: "ada@new.example",
      version: 2,
    });
    expect((await call("PUT", `/users/${created.json.id}`, { email: "ada@new.example" })).json.version).toBe(2);
    expect((await call("GET", "/users/999999")).status).toBe(404);
    // By name as well, in any case; by email where that may be known.
    for (const name of ["ada", "ADA", "ada@new.example"])
      expect([name, (await call("GET", `/users/${encodeURIComponent(name)}`)).json.id]).toEqual([
        name,
        created.json.id,
      ]);
    expect((await call("GET", "/users/nobody")).status).toBe(404);
    // What can be nobody's name is not looked up at all.
    for (const name of ["%00", "%00/keys", "%ED%A0%80", "a%20b", `${"x".repeat(400)}`, "%F0%9F%98%80"])
      expect([name, (await call("GET", `/users/${name}`)).status]).toEqual([name, 404]);
    expect((await call("POST", "/users/ada/keys", { name: "by name", role: "reader" })).json).toMatchObject({
      user_id: created.json.id,
    });
    const reader = await createKey(1, "reader");
    expect((await call("GET", "/users/ada@new.example", undefined, { key: reader.key })).status).toBe(404);
    expect((await call("GET", "/users/ada", undefined, { key: reader.key })).json).toMatchObject({ email: null });
  });

  test("a duplicate username or email is 409, without case, and writes no event", async () => {
    const { call } = server();
    await createUser("grace");
    const before = (await call("GET", "/stats")).json.events.created;
    for (const body of [
      { username: "GRACE", email: "x@example.com" },
      { username: "other", email: "Grace@Example.com" },
    ]) {
      expect(await call("POST", "/users", body)).toMatchObject({
        status: 409,
        json: { error: "conflict", detail: "username or email already exists" },
      });
    }
    const second = await createUser("grace2");
    expect(await call("PUT", `/users/${second.id}`, { username: "Grace" })).toMatchObject({
      status: 409,
      json: { detail: "username or email already exists" },
    });
    expect((await call("GET", "/stats")).json.events.created).toBe(before + 1);
  });

  test("a key is shown once, works until revoked, and is never seen again", async () => {
    const { call } = server();
    const { id } = await createUser("alan");
    const { key, ...shown } = await createKey(id, "reader");
    expect(key).toMatch(/^dl_[A-Za-z0-9_-]{32,}$/);
    expect(await call("GET", "/whoami", undefined, { key })).toMatchObject({
      status: 200,
      json: { user: { username: "alan" }, key: shown, role: "reader" },
    });
    expect((await call("GET", "/whoami", undefined, { key: null, headers: { "x-api-key": key } })).status).toBe(200);
    const everything = [await call("GET", `/users/${id}/keys`), await call("GET", "/events?per_page=500")]
      .map(({ text }) => text)
      .join("");
    expect(everything).not.toContain(key);
    expect(everything).not.toContain("key_hash");
    expect(everything).not.toContain(
      Buffer.from(new Bun.CryptoHasher("sha256").update(key).digest()).toString("base64url"),
    );
    expect((await call("DELETE", `/users/${id}/keys/${shown.id}`)).json.revoked_at).not.toBeNull();
    expect((await call("GET", "/whoami", undefined, { key })).status).toBe(401);
    expect((await call("DELETE", `/users/${id}/keys/${shown.id}`)).status).toBe(409);
    expect((await call("DELETE", `/users/${id}/keys/999999`)).status).toBe(404);
    expect((await call("DELETE", `/users/999/keys/${shown.id}`)).status).toBe(404);
  });

  test("an expired key is 401; one that is expired at birth is refused", async () => {
    const { call, setClock } = server();
    const { id } = await createUser("barbara");
    const { key } = await createKey(id, "reader", { expires_at: "2050-01-01T00:00:00Z" });
    expect((await call("GET", "/whoami", undefined, { key })).status).toBe(200);
    setClock(() => Date.UTC(2050, 0, 1));
    expect((await call("GET", "/whoami", undefined, { key })).status).toBe(401);
    setClock(Date.now);
    expect(
      (await call("POST", `/users/${id}/keys`, { name: "k", role: "reader", expires_at: "2020-01-01T00:00:00Z" }))
        .status,
    ).toBe(400);
  });

  test("deactivating a user kills its keys, keeps its history, and cannot be done twice", async () => {
    const { call } = server();
    const { id } = await createUser("edsger");
    const keys = [await createKey(id, "creator"), await createKey(id, "admin")];
    const { short_code } = (await call("POST", "/urls", { original_url: "https://a.b/" }, { key: keys[0].key })).json;
    expect((await call("DELETE", `/users/${id}`, { reason: "left" })).json).toMatchObject({
      is_active: false,
      version: 2,
    });
    for (const { key } of keys) expect((await call("GET", "/whoami", undefined, { key })).status).toBe(401);
    expect((await call("DELETE", `/users/${id}`)).status).toBe(409);
    expect((await call("PUT", `/users/${id}`, { username: "back" })).status).toBe(404);
    expect((await call("POST", `/users/${id}/keys`, { name: "k", role: "admin" })).status).toBe(404);
    expect((await call("GET", `/${short_code}`, undefined, { key: null })).status).toBe(302);
    const events = (await call("GET", "/events?event_type=deleted")).json.filter(
      (event: { subject: string }) => !event.subject.startsWith("url"),
    );
    expect(events[0]).toMatchObject({ subject: `user:${id}`, reason: "left" });
    expect(
      events.slice(1, 3).map((event: { subject: string; reason: string }) => [event.subject, event.reason]),
    ).toEqual([
      [`key:${keys[1].id}`, "user deactivated"],
      [`key:${keys[0].id}`, "user deactivated"],
    ]);
  });

  test("each role may do what it may, on every route, and no route is open by mistake", async () => {
    const { call, deadletter } = server();
    const { id } = await createUser("roles");
    const keys: Record<string, string> = {};
    for (const role of ["reader", "creator", "editor", "admin"]) keys[role] = (await createKey(id, role)).key;
    const ranks = ["public", "reader", "creator", "editor", "admin"];
    for (const route of deadletter.api.routes) {
      const { needs } = factsOf(route);
      const path = route.path.replace(/:[a-z]+/g, "999999999");
      // Mangled JSON: with the right key it is 400 or 404, never 401 or 403; without it is never even read.
      const body = ["GET", "HEAD"].includes(route.method) ? undefined : "{";
      const withoutKey = await call(route.method, path, body, { key: null });
      expect([route.method, route.path, withoutKey.status === 401]).toEqual([
        route.method,
        route.path,
        needs !== "public",
      ]);
      for (const [role, key] of Object.entries(keys)) {
        const { status } = await call(route.method, path, body, { key });
        expect([route.method, route.path, role, status === 403]).toEqual([
          route.method,
          route.path,
          role,
          ranks.indexOf(role) < ranks.indexOf(needs),
        ]);
        expect(status).not.toBe(401);
      }
    }
  });

  test("wrong keys of every kind are 401 with a challenge", async () => {
    const { call, adminKey } = server();
    const headers = [
      "Bearer",
      "Bearer ",
      "Basic YTpi",
      `Bearer ${adminKey}x`,
      `Bearer ${adminKey.slice(0, -1)}`,
      "Bearer dl_",
      `bearer  x y`,
      adminKey,
    ];
    for (const authorization of headers) {
      const answer = await call("GET", "/urls", undefined, { key: null, headers: { authorization } });
      expect([authorization, answer.status, answer.json?.error]).toEqual([authorization, 401, "unauthorized"]);
      expect(answer.headers.get("www-authenticate")).toStartWith("Bearer");
    }
    expect(
      (await call("GET", "/urls", undefined, { key: null, headers: { authorization: `bearer ${adminKey}` } })).status,
    ).toBe(200);
  });

  test("after all of this the audit log is true", async () => {
    expect(await findFalsehoods(server().deadletter)).toEqual([]);
  });
});
