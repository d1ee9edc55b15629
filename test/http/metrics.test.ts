// What /metrics says before anything has happened, and what it does not say; and methods that only a parser knows.

import { expect, test } from "bun:test";
import { describeEachEngine } from "../support/harness.ts";
import { rawRequest } from "../support/raw.ts";

describeEachEngine("a fresh server", (server) => {
  const lines = async () => (await server().call("GET", "/metrics")).text.split("\n");

  test("has series of failures, events and changes that begin at 0", async () => {
    const all = await lines();
    for (const name of [
      'deadletter_http_requests_total{method="POST",route="/urls",status="500"}',
      'deadletter_http_requests_total{method="GET",route="/:code",status="503"}',
      'deadletter_redirects_total{outcome="error"}',
      'deadletter_events_total{subject="url",event_type="deleted"}',
      'deadletter_mutations_total{subject="key",op="deleted"}',
      'deadletter_log_alarms_total{kind="refused"}',
      'deadletter_rate_limited_total{limit="redirects"}',
      'deadletter_connection_guard_total{act="paused"}',
      'deadletter_redirect_duration_seconds_bucket{le="0.0001",outcome="error"}',
      'deadletter_http_request_duration_seconds_count{method="POST",route="/urls",class="2xx"}',
      'deadletter_mutation_duration_seconds_count{result="failed"}',
      'deadletter_links{state="inactive"}',
      "deadletter_mutations_retried_total",
      "deadletter_cache_evictions_total",
      "deadletter_database_retries_total",
      "deadletter_database_deadlines_total",
      "deadletter_outage_seconds_total",
      "deadletter_outage_mode",
      "deadletter_log_epoch",
      "deadletter_log_own_writes_waiting",
      "deadletter_schema_pending",
      "deadletter_clicks_spool_bytes",
      "deadletter_uncaught_errors_total",
    ])
      expect(all).toContain(`${name} 0`);
    expect(all).toContain("deadletter_database_up 1");
    expect(all).toContain("deadletter_log_refused 0");
  });

  test("counts how long a redirect took by its outcome, and how changes were committed", async () => {
    const value = async (series: string) => {
      const line = (await lines()).find((each) => each.startsWith(`${series} `));
      return Number(line?.slice(series.length + 1));
    };
    const infinite = (outcome: string) => `deadletter_redirect_duration_seconds_bucket{le="+Inf",outcome="${outcome}"}`;
    const [found, missing] = [await value(infinite("found")), await value(infinite("missing"))];
    const committed = await value('deadletter_mutation_duration_seconds_count{result="committed"}');
    const refused = await value('deadletter_mutation_duration_seconds_count{result="refused"}');
    const commits = await value("deadletter_database_commit_seconds_count");
    const link = { original_url: "https://example.com/", short_code: "measured" };
    expect((await server().call("POST", "/urls", link)).status).toBe(201);
    expect((await server().call("POST", "/urls", link)).status).toBe(409);
    await server().call("GET", "/measured");
    await server().call("GET", "/unmeasured");
    expect(await value(infinite("found"))).toBe(found + 1);
    expect(await value(infinite("missing"))).toBe(missing + 1);
    expect(await value('deadletter_redirects_total{outcome="found"}')).toBe(found + 1);
    expect(await value('deadletter_redirect_duration_seconds_sum{outcome="found"}')).toBeGreaterThan(0);
    expect(await value('deadletter_mutation_duration_seconds_count{result="committed"}')).toBe(committed + 1);
    expect(await value('deadletter_mutation_duration_seconds_count{result="refused"}')).toBe(refused + 1);
    expect(await value("deadletter_database_commit_seconds_count")).toBeGreaterThan(commits);
    expect(await value("deadletter_database_wait_seconds_count")).toBeGreaterThan(0);
    expect(await value("deadletter_schema_version")).toBeGreaterThan(0);
    expect(await value("deadletter_disk_free_bytes")).toBeGreaterThan(0);
    expect(await value("deadletter_disk_size_bytes")).toBeGreaterThan(0);
    const oldest = await value("deadletter_log_oldest_pending_seconds");
    expect([oldest >= 0, oldest < 60]).toEqual([true, true]);
    if (server().deadletter.core.store.engine === "postgres") {
      expect(await value("deadletter_database_is_replica")).toBe(0);
      expect(await value("deadletter_database_standbys")).toBe(0);
    }
  });

  test("says nothing that is wrong under Bun", async () => {
    for (const name of ["process_heap_bytes", "nodejs_version_info", "nodejs_heap_space"])
      expect((await lines()).filter((line) => line.includes(name))).toEqual([]);
  });

  test("answers 405 to methods that are known and not taken; to others Bun's parser closes the connection", async () => {
    const ask = (method: string) =>
      rawRequest(server().listeners.baseUrl, `${method} /urls HTTP/1.1\r\nHost: go\r\nConnection: close\r\n\r\n`);
    for (const method of ["PROPFIND", "QUERY", "TRACE"]) {
      const answer = await ask(method);
      expect(answer).toStartWith("HTTP/1.1 405 ");
      expect(answer.toLowerCase()).toContain("\r\nallow: ");
    }
    // docs/decisions.md says so; should Bun begin to answer, this is where it is noticed.
    for (const method of ["FOO", "get"]) expect([method, await ask(method)]).toEqual([method, ""]);
    expect((await server().call("GET", "/livez")).status).toBe(200);
  });
});
