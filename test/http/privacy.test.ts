// What is shown to whom of people and keys, what no cache may keep, and that somebody always holds an admin's key.

import { beforeAll, expect, test } from "bun:test";
import { describeEachEngine, type TestServer } from "../support/harness.ts";
import { runDeadletter } from "../support/process.ts";

interface Person {
  readonly id: number;
  readonly key: string;
  readonly keyId: number;
}

async function addPerson({ call }: TestServer, username: string, role: string): Promise<Person> {
  const user = (await call("POST", "/users", { username, email: `${username}@example.com` })).json;
  const key = (await call("POST", `/users/${user.id}/keys`, { name: `${username}'s laptop`, role })).json;
  return { id: user.id, key: key.key, keyId: key.id };
}

describeEachEngine("privacy", (server) => {
  let ada: Person;
  let bob: Person;
  beforeAll(async () => {
    ada = await addPerson(server(), "ada", "reader");
    bob = await addPerson(server(), "bob", "editor");
    await server().call("PUT", `/users/${bob.id}`, { email: "bob@example.org" });
    await server().sequence();
  });
  const get = (path: string, key?: string) => server().call("GET", path, undefined, key === undefined ? {} : { key });

  test("an email is shown to admins and to whom it belongs, a username to all", async () => {
    const emails = async (key?: string) =>
      Object.fromEntries(
        (await get("/users", key)).json.map((user: { username: string; email: string | null }) => [
          user.username,
          user.email,
        ]),
      );
    expect(await emails()).toMatchObject({ ada: "ada@example.com", bob: "bob@example.org" });
    expect(await emails(ada.key)).toEqual({ admin: null, ada: "ada@example.com", bob: null });
    expect((await get(`/users/${bob.id}`, ada.key)).json).toMatchObject({ username: "bob", email: null });
    expect((await get(`/users/${bob.id}`, bob.key)).json.email).toBe("bob@example.org");
    expect((await get("/whoami", ada.key)).json.user.email).toBe("ada@example.com");
  });

  test("a slow store does not demote an admin to reader", async () => {
    const { store } = server().deadletter.core;
    const { read } = store;
    await get("/whoami");
    const slow: typeof read = async (run) => {
      await Bun.sleep(400);
      return read(run);
    };
    Object.assign(store, { read: slow });
    try {
      expect((await get(`/users/${bob.id}`)).json.email).toBe("bob@example.org");
      expect((await get("/whoami")).json.role).toBe("admin");
    } finally {
      Object.assign(store, { read });
    }
  });

  test("a key's name is shown to admins and its owner; others see whose it is and its number", async () => {
    const names = async (key?: string) =>
      (await get(`/users/${bob.id}/keys`, key)).json.map(({ name }: { name: string }) => name);
    expect(await names()).toEqual(["bob's laptop"]);
    expect(await names(bob.key)).toEqual(["bob's laptop"]);
    expect(await names(ada.key)).toEqual([`bob (key ${bob.keyId})`]);
  });

  test("neither is in the events that others read, nor in disclosures", async () => {
    for (const path of ["/events?per_page=500", "/log/entries?limit=500"]) {
      const all = (await get(path)).text;
      expect([path, all.includes("bob@example.org"), all.includes("bob's laptop")]).toEqual([path, true, true]);
      const seen = (await get(path, ada.key)).text;
      for (const secret of ["bob@", "bob's laptop", "key_hash"])
        expect([path, seen.includes(secret)]).toEqual([path, false]);
      for (const own of ["ada@example.com", "ada's laptop"]) expect([path, seen.includes(own)]).toEqual([path, true]);
    }
    const events = (await get("/events?per_page=500")).json as { id: number; subject: string }[];
    for (const { id, subject } of events) {
      const one = (await get(`/events/${id}`, ada.key)).text;
      const disclosed = await get(`/events/${id}/disclosures`, ada.key);
      for (const secret of ["bob@", "bob's laptop"]) expect((one + disclosed.text).includes(secret)).toBe(false);
      expect(disclosed.text).not.toContain("key_hash");
      const isHidden = subject !== `user:${ada.id}`;
      expect([subject, disclosed.json.state === null, disclosed.json.hidden]).toEqual([
        subject,
        isHidden,
        isHidden ? ["state"] : undefined,
      ]);
      expect(disclosed.json.leaf).toContain(`"subject":"${subject}"`);
      expect(disclosed.json.actor).toContain('"actor"');
      expect((await get(`/events/${id}/disclosures`)).json.state).toContain('"state"');
    }
  });

  test("nothing that only some may see is kept by a cache, no answer is taken for a page", async () => {
    for (const path of [
      "/users",
      `/users/${bob.id}/keys`,
      "/whoami",
      "/urls",
      "/urls/nothing",
      "/events/1/disclosures",
    ]) {
      const { headers } = await get(path);
      expect([path, headers.get("cache-control"), headers.get("x-content-type-options")]).toEqual([
        path,
        "no-store",
        "nosniff",
      ]);
      expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    }
    expect((await server().call("GET", "/users", undefined, { key: null })).headers.get("cache-control")).toBe(
      "no-store",
    );
    // What is public and never changes says so itself.
    expect((await get("/log/checkpoint")).headers.get("cache-control")).toBe("public, max-age=1");
  });

  test("the last key of role admin cannot be revoked, its user not be deactivated, over HTTP or from a command", async () => {
    const { call, adminId, store } = server();
    const { id: keyId } = (await get("/whoami")).json.key;
    const refused = [
      await call("DELETE", `/users/${adminId}`),
      await call("DELETE", `/users/${adminId}/keys/${keyId}`),
    ];
    for (const { status, json } of refused)
      expect([status, json.error, json.detail]).toEqual([
        409,
        "conflict",
        expect.stringContaining("deadletter users create --admin"),
      ]);
    const command = await runDeadletter(["users", "deactivate", String(adminId)], store.environment);
    expect([command.exitCode, command.stderr]).toEqual([4, expect.stringContaining("users create --admin")]);
    expect((await get("/whoami")).status).toBe(200);

    const eve = await addPerson(server(), "eve", "admin");
    // Two admins who end one another at the same moment: one of them stays.
    const both = await Promise.all([
      call("DELETE", `/users/${eve.id}`),
      call("DELETE", `/users/${adminId}/keys/${keyId}`, undefined, { key: eve.key }),
    ]);
    const stay = [await get("/whoami"), await get("/whoami", eve.key)];
    expect(stay.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(both.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1);
  });

  test("a deactivated user is activated again, without keys; the audit log is true", async () => {
    const admin = (
      await runDeadletter(
        ["users", "create", "--admin", "--username", "root2", "--email", "r@example.com", "--json"],
        server().store.environment,
      )
    ).stdout;
    const { key } = (JSON.parse(admin) as { key: { key: string } }).key;
    const as = (method: string, path: string) => server().call(method, path, undefined, { key });
    expect((await as("POST", `/users/${bob.id}/restore`)).status).toBe(409);
    expect((await as("DELETE", `/users/${bob.id}`)).status).toBe(200);
    expect((await as("POST", `/users/${bob.id}/restore`)).json).toMatchObject({ username: "bob", is_active: true });
    expect((await get("/whoami", bob.key)).status).toBe(401);
    const activated = await runDeadletter(["users", "activate", String(bob.id)], server().store.environment);
    expect([activated.exitCode, activated.stderr]).toEqual([4, expect.stringContaining("is active already")]);
    expect(await server().verify()).toEqual([]);
  });
});
