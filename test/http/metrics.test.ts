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
      "deadletter_uncaught_errors_total",
    ])
      expect(all).toContain(`${name} 0`);
    expect(all).toContain("deadletter_database_up 1");
    expect(all).toContain("deadletter_log_refused 0");
  });

  test("says nothing that is wrong under Bun", async () => {
    for (const name of ["process_heap_bytes", "nodejs_version_info"])
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
