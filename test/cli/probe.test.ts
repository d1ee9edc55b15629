// A probe of a server: what it makes, what it finds out, and that it fails where a promise is not kept.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogKey, encodeVerifierKey } from "../../src/audit/log-key.ts";
import { createStore, newEnvironment, startServer, TEST_LOG_KEY, type TestServer } from "../support/harness.ts";
import { runDeadletter } from "../support/process.ts";

interface Probed {
  readonly ok: boolean;
  readonly steps: readonly { step: string; ok: boolean; at?: string; detail?: string }[];
}

describe("a probe", () => {
  let server: TestServer;
  let environment: Record<string, string>;
  const folder = mkdtempSync(join(tmpdir(), "deadletter-probe-"));
  const vkey = join(folder, "log.vkey");

  beforeAll(async () => {
    server = await startServer(await createStore("sqlite"));
    await server.deadletter.start();
    environment = newEnvironment(undefined, { DEADLETTER_KEY: server.adminKey });
    writeFileSync(vkey, encodeVerifierKey(TEST_LOG_KEY));
  });

  afterAll(async () => {
    await server.close();
    server.store.remove();
    rmSync(folder, { recursive: true, force: true });
    rmSync(environment.DEADLETTER_DATA_DIR ?? "", { recursive: true, force: true });
  });

  async function probe(...words: string[]) {
    const all = ["probe", "--server", server.listeners.baseUrl, "--code", "deadletter-probe", "--json", ...words];
    const { exitCode, stdout, stderr } = await runDeadletter(all, environment);
    const said = stdout === "" ? undefined : (JSON.parse(stdout) as Probed);
    const steps = said?.steps.map(({ step, ok }) => `${step} ${ok ? "ok" : "failed"}`);
    return { exitCode, said, stderr, steps };
  }

  const ALL = ["link ok", "change ok", "redirect ok", "log ok", "proof ok"];

  test("changes one link of its own, made once, and finds every promise kept", async () => {
    for (let round = 0; round < 2; round++)
      expect(await probe("--vkey", vkey, "--within", "5s")).toMatchObject({ exitCode: 0, steps: ALL });
    const link = (await server.call("GET", "/urls/deadletter-probe")).json;
    expect(link).toMatchObject({ version: 3, original_url: expect.stringContaining("https://probe.invalid/") });
    // HEADs are no clicks.
    expect(link).toMatchObject({ clicks: 0 });
  });

  test("brings its link back where somebody deleted it, and believes the server's own key where none is given", async () => {
    await server.call("DELETE", "/urls/deadletter-probe");
    expect(await probe("--within", "5s")).toMatchObject({ exitCode: 0, steps: ALL });
  });

  test("fails where one replica is not told, and still tries the rest", async () => {
    const stale = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(null, { status: 302, headers: { location: "https://probe.invalid/old" } }),
    });
    const { baseUrl } = server.listeners;
    const replicas = ["--replica", baseUrl, "--replica", `http://127.0.0.1:${stale.port}`];
    const result = await probe(...replicas, "--within", "300ms");
    expect(result.exitCode).toBe(1);
    expect(result.steps?.toSorted()).toEqual(
      ["link ok", "change ok", "redirect ok", "redirect failed", "log ok", "proof ok"].toSorted(),
    );
    expect(result.said?.steps.find(({ ok }) => !ok)).toMatchObject({ at: `http://127.0.0.1:${stale.port}` });
    await stale.stop(true);
    const gone = await probe("--replica", "http://127.0.0.1:1", "--within", "0");
    expect(gone.said?.steps.find(({ ok }) => !ok)?.detail).toContain("cannot be reached");
  });

  test("fails where the log is signed by another key than the one that was promised", async () => {
    const other = encodeVerifierKey(createLogKey("other.example/log", new Uint8Array(32).fill(9)));
    const result = await probe("--vkey", other, "--within", "5s");
    expect([result.exitCode, result.steps?.at(-1)]).toEqual([1, "proof failed"]);
  });

  test("fails where nothing sequences, and writes what it found for a collector", async () => {
    const still = await startServer(await createStore("sqlite"));
    const metrics = join(folder, "probe.prom");
    const words = ["probe", "--server", still.listeners.baseUrl, "--log-within", "100ms", "--metrics", metrics];
    const { exitCode, stdout } = await runDeadletter(words, { ...environment, DEADLETTER_KEY: still.adminKey });
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/FAILED {2}log .*is not in the log after 100 ms/);
    const text = readFileSync(metrics, "utf8");
    expect(text).toContain("\ndeadletter_probe_success 0\n");
    expect(text).toContain('deadletter_probe_step_success{step="proof"} 0\n');
    expect(text).toContain(`deadletter_probe_step_success{step="redirect",replica="${still.listeners.baseUrl}"} 1\n`);
    expect(statSync(metrics).mode & 0o777).toBe(0o644);
    await still.close();
    still.store.remove();
  });

  test("says what it needs: a server, a key, times it can read", async () => {
    expect((await runDeadletter(["probe"], environment)).exitCode).toBe(2);
    expect((await probe("--within", "soon")).exitCode).toBe(2);
    expect((await probe("--replica", "nowhere")).exitCode).toBe(2);
    expect((await probe("--code", "a b")).exitCode).toBe(2);
    const { DEADLETTER_KEY: _, ...keyless } = environment;
    const { exitCode } = await runDeadletter(["probe", "--server", server.listeners.baseUrl], keyless);
    expect(exitCode).toBe(5);
  });
});
