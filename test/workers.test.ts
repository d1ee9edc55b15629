// serve --workers N: several processes that look like one from outside, whichever of them ends.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { isAlive } from "../src/runtime/program.ts";
import { forwardLines } from "../src/workers/forward-lines.ts";
import { createStore, type TestStore, until } from "./support/harness.ts";
import { freePort } from "./support/postgres.ts";
import { childrenOf, createAdmin, runDeadletter, type Served, spawnDeadletter, startServe } from "./support/process.ts";

const WORKERS = 3;

describe(`${WORKERS} workers`, () => {
  let store: TestStore;
  let served: Served;
  let key: string;

  beforeAll(async () => {
    store = await createStore("postgres");
    served = await startServe(store.environment, ["--workers", String(WORKERS)]);
    key = await createAdmin(store.environment);
  });

  afterAll(async () => {
    served.child.kill("SIGTERM");
    await served.child.exited;
    store.remove();
  });

  /** Over a connection of its own, so that any worker may get it. */
  const call = (method: string, path: string, body?: object) =>
    fetch(served.url + path, {
      method,
      redirect: "manual",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", connection: "close" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  const metric = async (name: string) => {
    const text = await (await call("GET", "/metrics")).text();
    return Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`${name} `))
        ?.split(" ")[1],
    );
  };

  test("answer one scrape and one /stats for all of them", async () => {
    await call("POST", "/urls", { original_url: "https://example.com/", short_code: "counted" });
    const before = await metric('deadletter_redirects_total{outcome="found"}');
    const answers = await Promise.all(Array.from({ length: 60 }, () => call("GET", "/counted")));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([302]));
    expect(await metric('deadletter_redirects_total{outcome="found"}')).toBe(before + 60);
    expect(await metric("deadletter_workers")).toBe(WORKERS);
    // Of the store, and not of any process: not added up.
    expect(await metric('deadletter_events_total{subject="url",event_type="created"}')).toBe(1);
    expect(await metric('deadletter_links{state="active"}')).toBe(1);
    const stats = (await (await call("GET", "/stats")).json()) as {
      workers: number;
      click_accounting: { accepted: number };
      memory_bytes: number;
    };
    expect(stats).toMatchObject({ workers: WORKERS, click_accounting: { accepted: before + 60 } });
    expect(stats.memory_bytes).toBeGreaterThan(WORKERS * 20_000_000);
  });

  test("all follow a change that one of them was told", async () => {
    await call("POST", "/urls", { original_url: "https://example.com/1", short_code: "shared" });
    const ask = () => Promise.all(Array.from({ length: 12 }, () => call("GET", "/shared")));
    expect(new Set((await ask()).map(({ status }) => status))).toEqual(new Set([302]));
    await call("DELETE", "/urls/shared");
    await until("nobody redirects any more", async () => (await ask()).every(({ status }) => status === 404));
  });

  test("are started again when they are killed or stopped, the one that sequences as well, and the log goes on", async () => {
    await call("POST", "/urls", { original_url: "https://example.com/3", short_code: "before" });
    await call("GET", "/before");
    const redirected = await metric('deadletter_redirects_total{outcome="found"}');
    expect(redirected).toBeGreaterThan(0);
    for (const [number, victim] of childrenOf(served.child.pid).entries()) {
      process.kill(victim, number === 1 ? "SIGTERM" : "SIGKILL");
      await until("there are as many as before", async () => {
        const answered = await metric("deadletter_workers").catch(() => 0);
        return answered === WORKERS && !childrenOf(served.child.pid).includes(victim);
      });
    }
    expect(await metric("deadletter_worker_restarts_total")).toBe(WORKERS);
    // A sum that went down would look like a counter that began anew.
    expect(await metric('deadletter_redirects_total{outcome="found"}')).toBe(redirected);
    await call("POST", "/urls", { original_url: "https://example.com/2", short_code: "after" });
    await until("it is in the log", async () => (await metric("deadletter_log_backlog_events")) === 0);
    expect((await runDeadletter(["verify"], store.environment)).exitCode).toBe(0);
  });

  test("do not take a port that another server has", async () => {
    const { port } = new URL(served.url);
    const other = await runDeadletter(["serve", "--workers", "2", "--port", port], store.environment);
    expect(other.exitCode).toBe(2);
    expect(other.stderr).toContain(`cannot listen on 127.0.0.1:${port}`);
  });
});

describe("a supervisor", () => {
  test("that is killed takes its workers with it", async () => {
    const store = await createStore("postgres");
    const served = await startServe(store.environment, ["--workers", "2"]);
    const workers = childrenOf(served.child.pid);
    expect(workers.length).toBe(2);
    served.child.kill(9);
    await until(
      "nobody listens",
      async () => (await fetch(`${served.url}/livez`).catch(() => undefined)) === undefined,
    );
    await until("the workers have ended", () => workers.every((pid) => !isAlive(pid)));
    store.remove();
  });

  test("stops a worker that has only just been started again", async () => {
    const store = await createStore("postgres");
    const served = await startServe({ ...store.environment, DEADLETTER_DRAIN_MS: "100" }, ["--workers", "2"]);
    const [victim = 0] = childrenOf(served.child.pid);
    process.kill(victim, 9);
    await until("another has begun", () => {
      const workers = childrenOf(served.child.pid);
      return workers.length === 2 && !workers.includes(victim);
    });
    served.child.kill("SIGTERM");
    expect(await served.child.exited).toBe(0);
    store.remove();
  });

  test("ends as its first worker does where there is nothing to serve, and says why", async () => {
    const store = await createStore("postgres");
    const behind = { ...store.environment, DEADLETTER_MIGRATE: "false" };
    const ended = await runDeadletter(["serve", "--workers", "2"], behind);
    expect(ended.exitCode).toBe(7);
    expect(ended.stderr).toMatch(/the schema of .* is \d+ migration\(s\) behind\n {2}run: deadletter migrate\n/);
    store.remove();
  });

  test("does not give its two listeners one port", async () => {
    const store = await createStore("postgres");
    const port = String(await freePort());
    const words = ["serve", "--workers", "2", "--port", port, "--admin-listen", `127.0.0.1:${port}`];
    const ended = await runDeadletter(words, store.environment);
    expect(ended.exitCode).toBe(2);
    expect(ended.stderr).toContain(`cannot listen on 127.0.0.1:${port}`);
    store.remove();
  });

  test("ends at the second signal although its workers' output is not read", async () => {
    const store = await createStore("postgres");
    const child = spawnDeadletter(["serve", "--workers", "2"], store.environment);
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of child.stderr) {
      text += decoder.decode(chunk);
      if (text.includes("serves on")) break;
    }
    const url = / serves on (\S+) from /.exec(text)?.[1] ?? "";
    // More lines than a pipe holds.
    for (let round = 0; round < 40; round++)
      await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}/nothing-${"x".repeat(50)}`)));
    child.kill("SIGTERM");
    child.kill("SIGTERM");
    await until("it has ended", () => child.exitCode !== null || child.signalCode !== null);
    store.remove();
  });

  test("does not begin on the embedded store", async () => {
    const store = await createStore("sqlite");
    const ended = await runDeadletter(["serve", "--workers", "2"], store.environment);
    expect(ended.exitCode).toBe(2);
    expect(ended.stderr).toBe(
      "deadletter: the embedded store is for one process: it cannot be served by 2 workers\n" +
        "  set DATABASE_URL to use PostgreSQL, or leave --workers out\n",
    );
    store.remove();
  });

  test("is the only one who starts a worker", async () => {
    const child = spawnDeadletter(["serve-worker", "1"], {});
    expect(await new Response(child.stderr).text()).toContain("serve-worker is not started by hand");
    expect(await child.exited).toBe(2);
  });
});

test("lines that come in parts are passed on whole", async () => {
  const text = ["one\n", "t", "wo\nthr", "ee\n\nfo", "ur"];
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of text) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
  const written: string[] = [];
  await forwardLines(stream, (lines) => {
    written.push(new TextDecoder().decode(lines));
    return Promise.resolve();
  });
  expect(written).toEqual(["one\n", "two\n", "three\n\n", "four"]);
});
