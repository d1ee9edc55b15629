import { expect, test } from "bun:test";
import { describeEachEngine } from "../support/harness.ts";

describeEachEngine("events and operations", (server, engine) => {
  test("GET /events filters by link, code, actor, type and time, newest first, each event once", async () => {
    const { call, adminId, setClock } = server();
    const start = Date.UTC(2035, 0, 1);
    const codes = ["ev-a", "ev-b"];
    for (const [index, code] of codes.entries()) {
      setClock(() => start + index * 10_000);
      await call("POST", "/urls", { original_url: "https://a.b/", short_code: code });
      setClock(() => start + index * 10_000 + 1_000);
      await call("PUT", `/urls/${code}`, { title: "x" });
      setClock(() => start + index * 10_000 + 2_000);
      await call("DELETE", `/urls/${code}`);
    }
    setClock(Date.now);
    const types = async (query: string) =>
      (await call("GET", `/events?${query}`)).json.map((event: { event_type: string }) => event.event_type);
    const { id } = (await call("GET", "/urls/ev-a")).json;
    expect(await types("short_code=ev-a")).toEqual(["deleted", "updated", "created"]);
    expect(await types(`url_id=${id}`)).toEqual(["deleted", "updated", "created"]);
    expect(await types(`url_id=${id}&event_type=updated&user_id=${adminId}`)).toEqual(["updated"]);
    expect(await types(`url_id=${id}&short_code=ev-b`)).toEqual([]);
    expect(await types("short_code=nobody")).toEqual([]);
    expect(await types("short_code=%00")).toEqual([]);
    expect(await types("user_id=424242")).toEqual([]);
    expect(await types("since=2035-01-01T00:00:01Z&until=2035-01-01T00:00:10Z")).toEqual(["deleted", "updated"]);

    const seen: number[] = [];
    let path: string | undefined = "/events?since=2035-01-01T00:00:00Z&per_page=4";
    while (path !== undefined) {
      const page = await call("GET", path);
      seen.push(...page.json.map((event: { id: number }) => event.id));
      path = /^<([^>]+)>; rel="next"$/.exec(page.headers.get("link") ?? "")?.[1];
    }
    expect(seen).toHaveLength(6);
    expect(new Set(seen).size).toBe(6);
    const event = await call("GET", `/events/${seen[0]}`);
    expect(event.json).toMatchObject({ id: seen[0], event_type: "deleted", timestamp: "2035-01-01T00:00:12.000Z" });
    expect(Object.keys(event.json)).toEqual([
      "id",
      "subject",
      "subject_name",
      "url_id",
      "user_id",
      "event_type",
      "timestamp",
      "details",
      "version",
      "actor",
      "actor_name",
      "request_id",
      "reason",
      "leaf_hash",
    ]);
  });

  test("a link's own history pages oldest first", async () => {
    const { call } = server();
    const { id } = (await call("POST", "/urls", { original_url: "https://a.b/" })).json;
    for (let index = 0; index < 4; index++) await call("PUT", `/urls/${id}`, { title: `t${index}` });
    const first = await call("GET", `/urls/${id}/events?per_page=3`);
    expect(first.json.map((event: { version: number }) => event.version)).toEqual([1, 2, 3]);
    const next = /^<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    const second = await call("GET", next);
    expect(second.json.map((event: { version: number }) => event.version)).toEqual([4, 5]);
    expect(second.json[0].details.changes).toEqual({ title: { from: "t1", to: "t2" } });
    expect(second.headers.get("link")).toBeNull();
  });

  test("a link with more than 100 events shows the newest 100 and where the rest is", async () => {
    const { call } = server();
    const { id, short_code } = (await call("POST", "/urls", { original_url: "https://a.b/" })).json;
    for (let index = 0; index < 102; index++) await call("PUT", `/urls/${id}`, { title: `t${index}` });
    const answer = await call("GET", `/urls/${id}`);
    expect(answer.json.events).toHaveLength(100);
    expect([answer.json.events[0].version, answer.json.events[99].version]).toEqual([4, 103]);
    expect(answer.headers.get("link")).toBe(`</urls/${short_code}/events>; rel="first"`);
  });

  test("events cannot be written over HTTP", async () => {
    const { call } = server();
    for (const [method, path] of [
      ["POST", "/events"],
      ["PUT", "/events/1"],
      ["PATCH", "/events/1"],
      ["DELETE", "/events/1"],
      ["DELETE", "/events"],
    ] as const) {
      const answer = await call(method, path, {});
      expect(answer).toMatchObject({ status: 405, json: { error: "method_not_allowed" } });
      expect(answer.json.detail).toContain("cannot be written");
      expect(answer.headers.get("allow")).toBe("GET, HEAD");
    }
  });

  test("health, livez, readyz and robots need no key", async () => {
    const { call } = server();
    expect(await call("GET", "/health", undefined, { key: null })).toMatchObject({
      status: 200,
      text: '{"status":"ok"}',
    });
    expect(await call("GET", "/livez", undefined, { key: null })).toMatchObject({
      status: 200,
      json: { status: "alive" },
    });
    expect(await call("GET", "/readyz", undefined, { key: null })).toMatchObject({
      status: 200,
      json: { status: "ready", checks: { database: { ok: true }, schema: { ok: true }, draining: { ok: true } } },
    });
    expect((await call("GET", "/robots.txt", undefined, { key: null })).text).toContain("Disallow: /");
  });

  test("/stats counts links by state and events by type, as the tables would", async () => {
    const { call, store } = server();
    const { links, events } = (await call("GET", "/stats")).json;
    const [counted] = await store.query<{ active: number; total: number }>(
      "select sum(is_active) as active, count(*) as total from urls",
    );
    expect([links.active, links.total]).toEqual([Number(counted?.active), Number(counted?.total)]);
    for (const { type, n } of await store.query<{ type: string; n: number }>(
      "select op as type, count(*) as n from events group by op",
    )) {
      expect([type, events[type]]).toEqual([type, Number(n)]);
    }
  });

  test("an event that there is not is answered 404, whatever is asked of it", async () => {
    await server().sequence();
    for (const path of ["/events/999999", "/events/999999/disclosures", "/events/999999/proof"])
      expect((await server().call("GET", path)).status).toBe(404);
  });

  test("/metrics speaks Prometheus: closed label sets, nothing of a link or a user in them", async () => {
    const { call } = server();
    await call("GET", "/nobody-has-this-code", undefined, { key: null });
    await call("BREW", "/urls");
    const answer = await call("GET", "/metrics");
    expect(answer.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
    for (const line of [
      /^deadletter_redirects_total\{outcome="missing"\} [1-9]/m,
      /^deadletter_mutations_total\{subject="url",op="created"\} [1-9]/m,
      /^deadletter_http_requests_total\{method="POST",route="\/urls",status="201"\} [1-9]/m,
      /^deadletter_http_request_duration_seconds_bucket\{le="0.001",method="POST",route="\/urls",class="2xx"\} \d/m,
      /^deadletter_database_calls\{state="size"\} \d/m,
      /^deadletter_events_total\{subject="url",event_type="created"\} [1-9]/m,
      /^deadletter_links\{state="active"\} \d/m,
      /^process_resident_memory_bytes \d/m,
    ])
      expect(answer.text).toMatch(line);
    expect([...answer.text.matchAll(/^deadletter_links\{state="(\w+)"\}/gm)].map(([, state]) => state).sort()).toEqual([
      "active",
      "inactive",
    ]);
    // What promtool's linter would say of names: only a counter ends in _total.
    expect([...answer.text.matchAll(/^# TYPE (\S+_total) (?!counter)/gm)].map(([, name]) => name)).toEqual([]);
    expect(answer.text).not.toContain("nobody-has-this-code");
    expect(answer.text).not.toContain("BREW");
    expect(answer.text).not.toContain("ev-a");
  });

  test("log lines are JSON with the request's id, and never a key", async () => {
    const { call, logLines, deadletter, adminKey } = server();
    await call("GET", "/urls", undefined, { headers: { "x-request-id": `trace-${engine}` } });
    await call("GET", "/urls", undefined, { headers: { "x-request-id": "bad id with spaces" } });
    await deadletter.service.log.flush();
    const lines = logLines();
    expect(lines.find((line) => line.request_id === `trace-${engine}`)).toMatchObject({
      msg: "request",
      method: "GET",
      route: "/urls",
      status: 200,
      user_id: 1,
    });
    expect(JSON.stringify(lines)).not.toContain("bad id with spaces");
    expect(JSON.stringify(lines)).not.toContain(adminKey);
  });

  test("the line of a change names its event, which can be read, proven and found by the request's number", async () => {
    const { call, logLines, deadletter, sequence } = server();
    const headers = { "x-request-id": `find-"me"-\\${engine}` };
    const link = { original_url: "https://example.com/?secret=query", short_code: "findme" };
    const { id } = (await call("POST", "/urls", link, { headers })).json as { id: number };
    await call("POST", "/urls", { original_url: "https://example.com/" }, { headers: { "x-request-id": "FIND-ME" } });
    await deadletter.service.log.flush();
    const line = logLines().find(({ request_id }) => request_id === headers["x-request-id"]);
    expect(line).toMatchObject({ method: "POST", route: "/urls", status: 201, event: `url:${id}@1` });
    expect(JSON.stringify(logLines())).not.toContain("secret");
    const byName = (await call("GET", `/events/url:${id}@1`)).json as { id: number; request_id: string };
    expect(byName.request_id).toBe(headers["x-request-id"]);
    expect((await call("GET", `/events/${byName.id}`)).json).toEqual(byName);
    const search = `/events?request_id=${encodeURIComponent(headers["x-request-id"])}`;
    expect((await call("GET", search)).json).toEqual([byName]);
    expect((await call("GET", `${search}&since=2020-01-01T00:00:00Z`)).json).toEqual([byName]);
    expect((await call("GET", `${search}&until=2020-01-01T00:00:00Z`)).json).toEqual([]);
    // Case counts, on both engines.
    expect((await call("GET", "/events?request_id=find-me")).json).toEqual([]);
    await sequence();
    const [proof, same] = [
      await call("GET", `/events/url:${id}@1/proof`),
      await call("GET", `/events/${byName.id}/proof`),
    ];
    expect([proof.status, proof.text]).toEqual([200, same.text]);
    expect((await call("GET", `/events/url:${id}@1/disclosures`)).status).toBe(200);
    for (const name of [`url:${id}@2`, "url:999999999999999@1", "nothing:1@1", `url:${id}@999999999999999`])
      for (const path of ["", "/disclosures", "/proof"])
        expect([name, (await call("GET", `/events/${name}${path}`)).status]).toEqual([name, 404]);
    expect((await call("GET", "/events/url:1")).status).toBe(404);
    expect((await call("GET", "/events?request_id=")).status).toBe(400);
  });

  test("every kind of change names its event in its line", async () => {
    const { call, logLines, deadletter } = server();
    const eventOf = async (method: string, path: string, body?: object) => {
      const headers = { "x-request-id": crypto.randomUUID() };
      const answer = await call(method, path, body, { headers });
      await deadletter.service.log.flush();
      const line = logLines().find(({ request_id }) => request_id === headers["x-request-id"]);
      return [answer.status, String(line?.event).replace(/\d+@/, "N@"), answer.json as { id: number }] as const;
    };
    const [, , user] = await eventOf("POST", "/users", { username: "named", email: "named@example.com" });
    const [status, event, key] = await eventOf("POST", `/users/${user.id}/keys`, { name: "one", role: "reader" });
    expect([status, event]).toEqual([201, "key:N@1"]);
    expect((await eventOf("DELETE", `/users/${user.id}/keys/${key.id}`)).slice(0, 2)).toEqual([200, "key:N@2"]);
    expect((await eventOf("PUT", `/users/${user.id}`, { username: "renamed" })).slice(0, 2)).toEqual([200, "user:N@2"]);
    expect((await eventOf("POST", `/users/${user.id}/erase`, {})).slice(0, 2)).toEqual([200, "user:N@3"]);
    expect((await eventOf("GET", `/users/${user.id}`)).slice(0, 2)).toEqual([200, "undefined"]);
  });

  test("a schema that the next release has migrated leaves a serving process ready", async () => {
    const { call, store } = server();
    await store.tamper(
      "insert into schema_migrations (version, name, checksum, applied_at_ms) values (99, 'next', 'x', 1)",
    );
    expect(await call("GET", "/readyz", undefined, { key: null })).toMatchObject({
      status: 200,
      json: { status: "ready" },
    });
    await store.tamper("delete from schema_migrations where version = 99");
  });

  test("while draining, readyz says 503 and everything else still answers", async () => {
    const { call, deadletter } = server();
    deadletter.startDraining();
    expect(await call("GET", "/readyz", undefined, { key: null })).toMatchObject({
      status: 503,
      json: { checks: { draining: { ok: false } } },
    });
    expect((await call("GET", "/health", undefined, { key: null })).status).toBe(200);
  });
});

describeEachEngine(
  "with ADMIN_LISTEN",
  (server) => {
    test("the main listener answers only the public routes, the other one the API", async () => {
      const { call, listeners, adminKey } = server();
      await call("POST", "/urls", { original_url: "https://a.b/", short_code: "split" });
      const main = (path: string, init: RequestInit = {}) =>
        fetch(listeners.baseUrl + path, {
          redirect: "manual",
          headers: { authorization: `Bearer ${adminKey}` },
          ...init,
        });
      expect((await main("/split")).status).toBe(302);
      expect((await main("/health")).status).toBe(200);
      for (const path of ["/urls", "/urls/split", "/metrics", "/stats", "/whoami", "/users"]) {
        const answer = await main(path);
        expect([path, answer.status]).toEqual([path, 404]);
        expect(((await answer.json()) as { error: string }).error).toBe("not_found");
      }
      expect((await main("/urls", { method: "POST", body: "{}" })).status).toBeOneOf([404, 405]);
      const described = (await (await main("/openapi.json", { headers: {} })).json()) as { paths: object };
      expect(Object.keys(described.paths)).toContain("/{code}");
      expect(Object.keys(described.paths)).not.toContain("/urls");
      expect((await call("GET", "/metrics")).status).toBe(200);
    });
  },
  { ADMIN_LISTEN: "127.0.0.1:0" },
);
