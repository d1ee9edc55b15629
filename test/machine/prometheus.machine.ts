// A real Prometheus and a real Alertmanager watch two replicas with what `deadletter monitoring` prints; a database that is frozen,
// then one that is gone, is seen, fires, and clears; our own alerting tells the same without them.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newEnvironment, until } from "../support/harness.ts";
import { type Cluster, freePort, startCluster } from "../support/postgres.ts";
import { createAdmin, runDeadletter, type Served, startServe } from "../support/process.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const PROGRAMS = ["prometheus", "prometheus-alertmanager"].map((name) => Bun.which(name));
const LINKS = 50;
/** The alert's own 30 s, a scrape, a message. */
const FIRES_MS = 75_000;

describe.skipIf(PROGRAMS.includes(null))("two replicas watched by Prometheus", () => {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-prometheus-"));
  const environments = [newEnvironment("to-be-set"), newEnvironment("to-be-set")];
  const replicas: Served[] = [];
  const watchers: Bun.Subprocess[] = [];
  let cluster: Cluster;
  let [pager, own]: Receiver[] = [];
  let [prometheusUrl, alertmanagerUrl] = ["", ""];
  let key = "";
  const [asked, watched] = [[] as string[], [] as string[]];

  beforeAll(async () => {
    cluster = await startCluster();
    [pager, own] = [startReceiver(), startReceiver()];
    for (const environment of environments) {
      const address = `127.0.0.1:${await freePort()}`;
      Object.assign(environment, {
        DATABASE_URL: cluster.url,
        LOG_LEVEL: "warn",
        DEADLETTER_METRICS_LISTEN: address,
        DEADLETTER_ALERT_WEBHOOK: own?.url,
        DEADLETTER_ALERT_COOLDOWN: "0",
      });
      replicas.push(await startServe(environment));
      watched.push(address);
    }
    key = await createAdmin(environments[0] ?? {});
    asked.push(...replicas.map(({ url }) => url));
    await startWatchers();
    for (let link = 0; link < LINKS; link++)
      await call(asked[0] ?? "", "/urls", { original_url: `https://example.com/${link}`, short_code: `seen-${link}` });
    for (const url of asked) for (let link = 0; link < LINKS; link++) await call(url, `/seen-${link}`);
  }, 120_000);

  afterAll(async () => {
    for (const watcher of watchers) watcher.kill();
    await Promise.all(watchers.map(({ exited }) => exited));
    await cluster.remove();
    for (const { child } of replicas) child.kill("SIGKILL");
    await Promise.all([pager?.close(), own?.close()]);
    for (const { DEADLETTER_DATA_DIR: path } of environments) rmSync(path, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  });

  async function startWatchers(): Promise<void> {
    const print = async (...words: string[]) => (await runDeadletter(["monitoring", ...words], {})).stdout;
    const [port, alertPort] = [await freePort(), await freePort()];
    [prometheusUrl, alertmanagerUrl] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${alertPort}`];
    writeFileSync(join(folder, "rules.yaml"), await print("rules"));
    // As it is printed, but for how long messages are gathered.
    const config = await print("alertmanager", "--page-url", pager?.url ?? "", "--ticket-url", pager?.url ?? "");
    writeFileSync(
      join(folder, "alertmanager.yml"),
      config.replace("group_wait: 10s", "group_wait: 1s").replace("group_interval: 1m", "group_interval: 1s"),
    );
    writeFileSync(
      join(folder, "prometheus.yml"),
      JSON.stringify({
        global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
        rule_files: ["rules.yaml"],
        alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertPort}`] }] }] },
        scrape_configs: [{ job_name: "deadletter", static_configs: [{ targets: watched }] }],
      }),
    );
    const spawn = (program: string, ...words: string[]) =>
      watchers.push(
        Bun.spawn([program, ...words], { cwd: folder, stdin: "ignore", stdout: "ignore", stderr: "ignore" }),
      );
    spawn(
      "prometheus",
      "--config.file=prometheus.yml",
      "--storage.tsdb.path=data",
      `--web.listen-address=127.0.0.1:${port}`,
    );
    spawn(
      ...(["prometheus-alertmanager", "--config.file=alertmanager.yml", "--storage.path=alerts"] as const),
      ...[`--web.listen-address=127.0.0.1:${alertPort}`, "--cluster.listen-address="],
    );
    for (const url of [prometheusUrl, alertmanagerUrl])
      await until(
        "it is ready",
        async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true,
        30_000,
      );
    await until("both replicas are scraped", async () => (await query("sum(up)")) === 2, 30_000);
  }

  async function call(url: string, path: string, body?: object) {
    return fetch(url + path, {
      method: body ? "POST" : "GET",
      redirect: "manual",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  }

  /** Undefined where it has no value. */
  async function query(expr: string): Promise<number | undefined> {
    const answer = await fetch(`${prometheusUrl}/api/v1/query?query=${encodeURIComponent(expr)}`);
    const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
    const [, value] = data.result[0]?.value ?? [];
    return value === undefined ? undefined : Number(value);
  }

  /** Status and alert of all that Alertmanager has posted. */
  function paged(): string[] {
    return (pager?.received ?? []).flatMap(({ text }) =>
      (
        JSON.parse(text) as { alerts: { status: string; labels: { alertname: string; instance: string } }[] }
      ).alerts.map(({ status, labels }) => `${status} ${labels.alertname} ${labels.instance}`),
    );
  }

  const told = () => (own?.messages() ?? []).map(({ status, alert, replica }) => `${status} ${alert} ${replica}`);

  test("the series are as many after 100,000 codes and 1,000 agents and referrers as before", async () => {
    const count = async () => (await (await fetch(`http://${watched[0]}/metrics`)).text()).split("\n").length;
    const before = await count();
    const clients = Array.from({ length: 32 }, async (_, client) => {
      for (let at = client; at < 100_000; at += 32) {
        const headers = { "user-agent": `agent-${at % 1_000}`, referer: `https://from-${at % 1_000}.example/` };
        const answer = await fetch(`${asked[0]}/seen-${at}`, { redirect: "manual", headers });
        await answer.body?.cancel();
      }
    });
    await Promise.all(clients);
    expect(await count()).toBe(before);
  }, 120_000);

  test.each([
    ["frozen", () => cluster.freeze(), () => cluster.thaw()],
    ["stopped", () => cluster.kill(), () => cluster.start()],
  ] as const)(
    "a database that is %s: metric, alert, page, and all clear; and our own webhook within a minute",
    async (_, begin, end) => {
      const [pagedBefore, toldBefore] = [paged().length, told().length];
      const newPages = () => paged().slice(pagedBefore);
      const newlyTold = () => told().slice(toldBefore);
      const firing = () => query('count(ALERTS{alertname="DeadletterOutage",alertstate="firing"})');
      await begin();
      const startedMs = performance.now();
      await until("the outage is seen", async () => (await query("sum(deadletter_outage_mode)")) === 2, 30_000);
      // Nobody who scrapes is kept waiting, and links redirect.
      expect(await query("sum(up)")).toBe(2);
      expect((await call(asked[1] ?? "", "/seen-7")).status).toBe(302);
      await until(
        "each replica has told it, under one key",
        () => newlyTold().filter((line) => line.startsWith("firing database_down")).length === 2,
        60_000,
      );
      const keys = own
        ?.messages()
        .slice(toldBefore)
        .map(({ dedupe_key }) => dedupe_key);
      expect(new Set(keys).size).toBe(1);
      await until("the alert fires", async () => (await firing()) === 2, FIRES_MS);
      await until(
        "somebody is paged",
        () => newPages().some((line) => line.startsWith("firing DeadletterOutage")),
        FIRES_MS,
      );
      console.log(`      paged ${((performance.now() - startedMs) / 1000).toFixed(0)} s after it began`);
      await end();
      await until("it clears", async () => (await firing()) === undefined, FIRES_MS);
      await until(
        "and says so",
        () => newPages().some((line) => line.startsWith("resolved DeadletterOutage")),
        FIRES_MS,
      );
      await until(
        "by itself as well",
        () => newlyTold().filter((line) => line.startsWith("resolved database_down")).length === 2,
        FIRES_MS,
      );
      expect(await query("sum(deadletter_outage_seconds_total)")).toBeGreaterThan(30);
      await until("it is whole again", async () => (await fetch(`${asked[0]}/health`)).status === 200, 20_000);
    },
    300_000,
  );
});
