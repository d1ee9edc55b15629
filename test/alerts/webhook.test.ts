// How alerts are posted: in the shape that the receiver knows, tried again where that may help, never where a redirect leads.

import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AlertMessage, formatOf, postOf, WEBHOOK_FORMATS } from "../../src/alerts/message.ts";
import { Webhook } from "../../src/alerts/webhook.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { describeEachEngine, newEnvironment, until } from "../support/harness.ts";
import { runDeadletter } from "../support/process.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const MESSAGE: AlertMessage = {
  status: "firing",
  alert: "database_down",
  severity: "page",
  summary: "the database does not answer",
  dedupeKey: "deadletter/test/log/database_down",
  runbook: "DeadletterOutage",
  replica: "one 1",
  atMs: Date.UTC(2026, 0, 2),
};

describe("a message", () => {
  test("has the shape that each kind of receiver takes", () => {
    const line = "[FIRING] deadletter: the database does not answer (one 1)";
    expect(JSON.parse(postOf("slack", MESSAGE).body)).toEqual({ text: line });
    expect(JSON.parse(postOf("discord", MESSAGE).body)).toEqual({ content: line, allowed_mentions: { parse: [] } });
    expect(postOf("ntfy", MESSAGE)).toMatchObject({
      body: line,
      headers: { priority: "urgent", title: "deadletter database_down" },
    });
    expect(JSON.parse(postOf("generic", MESSAGE).body)).toEqual({
      source: "deadletter",
      status: "firing",
      alert: "database_down",
      severity: "page",
      summary: "the database does not answer",
      dedupe_key: "deadletter/test/log/database_down",
      replica: "one 1",
      runbook: "DeadletterOutage",
      at: "2026-01-02T00:00:00.000Z",
    });
    expect(WEBHOOK_FORMATS.length).toBe(4);
  });

  test("is shaped by the receiver's host where nothing else is said", () => {
    expect(formatOf("https://hooks.slack.com/services/T/B/x")).toBe("slack");
    expect(formatOf("https://discord.com/api/webhooks/1/x")).toBe("discord");
    expect(formatOf("https://ntfy.sh/topic")).toBe("ntfy");
    for (const url of ["https://alerts.example/", "https://hooks.slack.com.evil.example/", "https://notdiscord.com/"])
      expect([url, formatOf(url)]).toEqual([url, "generic"]);
  });
});

describe("a webhook", () => {
  let receiver: Receiver;
  beforeEach(() => {
    receiver = startReceiver();
  });
  afterEach(() => receiver.close());

  function webhook(url = receiver.url) {
    const failures: string[] = [];
    const hasty = { ...systemClock, after: (_: number, run: () => void) => systemClock.after(1, run) };
    const sender = new Webhook({
      url,
      format: "generic",
      clock: hasty,
      onSent: () => undefined,
      onFailure: (why) => failures.push(why),
    });
    return { sender, failures };
  }

  test("tries again what may pass, and tells in order", async () => {
    receiver.answerWith(503, 429, 204);
    const { sender, failures } = webhook();
    void sender.send(MESSAGE);
    void sender.send({ ...MESSAGE, status: "resolved" });
    await until("both were taken", () => sender.counts.sent === 2);
    expect(receiver.messages().map(({ status }) => status as string)).toEqual([
      "firing",
      "firing",
      "firing",
      "resolved",
    ]);
    expect(failures).toEqual([]);
    await sender.close();
  });

  test("gives up after a while, at once what is refused, and goes on with the next", async () => {
    const { sender, failures } = webhook();
    receiver.answerWith(400, ...Array.from({ length: 8 }, () => 500), 204);
    for (let at = 0; at < 3; at++) void sender.send(MESSAGE);
    await until("the third was taken", () => sender.counts.sent === 1);
    expect(sender.counts).toEqual({ sent: 1, failed: 2, dropped: 0 });
    expect(failures).toEqual(["it answered 400", "it answered 500"]);
    expect(receiver.received.length).toBe(10);
    await sender.close();
  });

  test("follows no redirect, and says neither its address nor what it answered", async () => {
    const elsewhere = startReceiver();
    receiver.answerWith(new Response("secret", { status: 307, headers: { location: elsewhere.url } }));
    const { sender, failures } = webhook();
    expect(await sender.deliver(MESSAGE)).toBe(false);
    expect(elsewhere.received).toEqual([]);
    expect(failures).toEqual(["it answered 307, a redirect, which is not followed"]);
    const nobody = webhook("http://127.0.0.1:1/secret-path");
    expect(await nobody.sender.deliver(MESSAGE)).toBe(false);
    expect(nobody.failures.join()).not.toContain("secret-path");
    await elsewhere.close();
  });

  test("keeps a hundred that wait, and counts those it drops", async () => {
    const { sender } = webhook();
    for (let at = 0; at < 150; at++) void sender.send({ ...MESSAGE, summary: String(at) });
    await until("what was kept is sent", () => sender.counts.sent + sender.counts.dropped === 150);
    expect(sender.counts.dropped).toBeGreaterThan(0);
    expect(receiver.messages().at(-1)?.summary).toBe("149");
    await sender.close();
  });

  test("is tried by alerts test, which says whether it was taken", async () => {
    const environment = newEnvironment(undefined);
    const file = join(environment.DEADLETTER_DATA_DIR, "webhook");
    writeFileSync(file, `${receiver.url}\n`, { mode: 0o600 });
    const configured = { ...environment, DEADLETTER_ALERT_WEBHOOK_FILE: file };
    const done = await runDeadletter(["alerts", "test", "--json"], configured);
    expect([done.exitCode, JSON.parse(done.stdout)]).toEqual([0, { sent: true, status: 204 }]);
    expect(receiver.messages()).toMatchObject([{ status: "test", alert: "test" }]);
    receiver.answerWith(403);
    const refused = await runDeadletter(["alerts", "test"], configured);
    expect([refused.exitCode, refused.stderr]).toEqual([7, expect.stringContaining("it answered 403")]);
    expect(refused.stderr).not.toContain(receiver.url);
    expect((await runDeadletter(["alerts", "test"], environment)).exitCode).toBe(2);
    const shown = await runDeadletter(["config"], configured);
    expect(shown.stdout).not.toContain("/hook");
    rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
  });
});

const hook = startReceiver();
afterAll(() => hook.close());

describeEachEngine(
  "what the log says",
  (server, engine) => {
    test("is told once, by ids alone, from the moment on at which somebody listens", async () => {
      const { call, sequence, deadletter } = server();
      const before = hook.received.length;
      const make = async (name: string) =>
        (await call("POST", "/users", { username: name, email: `${name}@secret.example` })).json as { id: number };
      const early = await make(`early-${engine}`);
      await call("POST", `/users/${early.id}/erase`, {});
      await sequence();
      await deadletter.start();
      const consumed = () =>
        deadletter.service.metrics.registry.getSingleMetricAsString("deadletter_consumer_lag_entries");
      await until("the consumer has begun", async () => (await consumed()).includes('consumer="alerts"} 0'));
      const { id } = await make(`late-${engine}`);
      await call("POST", `/users/${id}/erase`, {});
      await until("it was told", () => hook.received.length > before);
      await until("all was read", async () => (await consumed()).includes('consumer="alerts"} 0'));
      const told = hook.messages().slice(before);
      expect(told.map(({ alert, status }) => [alert, status])).toEqual([["erased", "info"]]);
      expect(told[0]?.summary).toStartWith(`user ${id} was erased`);
      expect(JSON.stringify(told)).not.toContain("secret.example");
    });
  },
  { DEADLETTER_ALERT_WEBHOOK: hook.url },
);
