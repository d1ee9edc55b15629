// Two replicas behind each of the proxies that packaging/proxies has: who the client is, what stays inside, and replicas that are
// restarted, or replaced by a later release, without anybody noticing.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { newEnvironment, until } from "../support/harness.ts";
import { hasOldRelease, oldRelease } from "../support/old-release.ts";
import { createDatabase, freePort, stopServer } from "../support/postgres.ts";
import { runDeadletter, type Served, startServe } from "../support/process.ts";
import { hasProxy, PROXIES, type RunningProxy, startProxy } from "../support/proxies.ts";

const ADMIN_KEY = `dl_${"p".repeat(43)}`;
const LINKS = 40;

afterAll(stopServer);

interface Replica {
  served: Served;
  readonly port: number;
  readonly environment: Record<string, string>;
}

async function startReplicas(environment: Record<string, string>, command?: string[]): Promise<[Replica, Replica]> {
  const url = await createDatabase();
  const start = async (): Promise<Replica> => {
    const port = await freePort();
    const own = newEnvironment(url, {
      PORT: String(port),
      LOG_LEVEL: "error",
      DEADLETTER_ADMIN_KEY: ADMIN_KEY,
      ...environment,
    });
    return { served: await startServe(own, [], command), port, environment: own };
  };
  return [await start(), await start()];
}

async function stopAll(replicas: readonly Replica[]): Promise<void> {
  for (const { served, environment } of replicas) {
    served.child.kill("SIGKILL");
    await served.child.exited;
    rmSync(environment.DEADLETTER_DATA_DIR ?? "", { recursive: true, force: true });
  }
}

function call(url: string, method: string, path: string, body?: object, headers: object = {}): Promise<Response> {
  return fetch(url + path, {
    method,
    redirect: "manual",
    headers: { authorization: `Bearer ${ADMIN_KEY}`, "content-type": "application/json", ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
}

async function warm(url: string, replicas: readonly Replica[]): Promise<void> {
  for (let link = 0; link < LINKS; link++)
    await call(url, "POST", "/urls", { original_url: `https://example.com/${link}`, short_code: `warm-${link}` });
  for (const { served } of replicas)
    for (let link = 0; link < LINKS; link++) await (await call(served.url, "GET", `/warm-${link}`)).body?.cancel();
}

/** Redirects and changes through the proxy until it is over; what failed of either. */
function load(url: string) {
  let isOver = false;
  const counts = { redirects: 0, changes: 0, retried: 0 };
  const failed: string[] = [];
  const reader = async (client: number) => {
    for (let step = client; !isOver; step++) {
      const link = step % LINKS;
      const answer = await fetch(`${url}/warm-${link}`, { redirect: "manual" }).catch(String);
      const said = typeof answer === "string" ? answer : `${answer.status} ${answer.headers.get("location")}`;
      counts.redirects += 1;
      if (said !== `302 https://example.com/${link}`) failed.push(`redirect: ${said}`);
      await Bun.sleep(2);
    }
  };
  const writer = async (client: number) => {
    for (let step = 0; !isOver; step++) {
      const body = { original_url: `https://example.com/${client}/${step}` };
      // With a key a proxy may ask the other replica, where it cannot tell whether the one that stops has seen it.
      const key = { "idempotency-key": crypto.randomUUID() };
      const answer = await call(url, "POST", "/urls", body, key).catch(String);
      const status = typeof answer === "string" ? answer : answer.status;
      if (typeof answer !== "string") await answer.body?.cancel();
      counts.changes += 1;
      // 503 says that it may be tried again, and when.
      if (status === 503) counts.retried += 1;
      else if (status !== 201) failed.push(`change: ${status}`);
      await Bun.sleep(10);
    }
  };
  const running = [0, 1, 2, 3].flatMap((client) => [reader(client * 7), writer(client)]);
  return {
    async end() {
      isOver = true;
      await Promise.all(running);
      return { ...counts, failed };
    },
  };
}

/** As an operator restarts it: the load balancer is told before it stops. */
async function replace(replica: Replica, command?: string[]): Promise<void> {
  replica.served.child.kill("SIGTERM");
  expect(await replica.served.child.exited).toBe(0);
  replica.served = await startServe(replica.environment, [], command);
  await until("it is ready", async () => (await fetch(`${replica.served.url}/readyz`)).status === 200);
  // The proxy finds out within a second or two.
  await Bun.sleep(2_500);
}

describe.each(PROXIES.filter(hasProxy).map((name) => [name]))("behind %s", (name) => {
  let proxy: RunningProxy;
  let replicas: [Replica, Replica];

  beforeAll(async () => {
    replicas = await startReplicas({
      DEADLETTER_TRUSTED_PROXIES: "127.0.0.1",
      DEADLETTER_AUDIT_CLIENT: "true",
      DEADLETTER_SHUTDOWN_GRACE_MS: "3000",
    });
    proxy = await startProxy(name, await freePort(), [replicas[0].port, replicas[1].port]);
    await warm(proxy.url, replicas);
  }, 60_000);

  afterAll(async () => {
    await proxy?.close();
    await stopAll(replicas ?? []);
  });

  test("the client is who connects to the proxy, whatever it says of itself", async () => {
    const { hostname, port } = new URL(proxy.url);
    const body = JSON.stringify({ original_url: "https://example.com/", short_code: "asked" });
    const request = [
      "POST /urls HTTP/1.1",
      `Host: ${hostname}:${port}`,
      `Authorization: Bearer ${ADMIN_KEY}`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
      "X-Forwarded-For: 203.0.113.9",
      "Forwarded: for=203.0.113.9",
      "Connection: close",
      "",
      body,
    ].join("\r\n");
    const answer = await new Promise<string>((resolve, reject) => {
      let text = "";
      const socket = connect({ host: hostname, port: Number(port), localAddress: "127.0.0.2" }, () =>
        socket.write(request),
      );
      socket.on("data", (chunk) => {
        text += chunk.toString();
      });
      socket.on("end", () => resolve(text));
      socket.on("error", reject);
    });
    expect(answer).toStartWith("HTTP/1.1 201");
    const events = (await (await call(proxy.url, "GET", "/urls/asked/events")).json()) as {
      actor: { client: string };
    }[];
    expect(events[0]?.actor.client).toBe("127.0.0.2");
  });

  test("what only operators ask stays inside", async () => {
    for (const path of ["/metrics", "/stats"])
      expect([path, (await call(proxy.url, "GET", path)).status]).toEqual([path, 404]);
  });

  test("both replicas are restarted under load: no redirect fails, and no change but those that are told to retry", async () => {
    const running = load(proxy.url);
    await Bun.sleep(1_000);
    for (const replica of replicas) await replace(replica);
    const { failed, redirects, changes, retried } = await running.end();
    console.log(`      ${name}: ${redirects} redirects, ${changes} changes, ${retried} told to retry`);
    expect(failed).toEqual([]);
    expect(redirects).toBeGreaterThan(1_000);
  }, 120_000);
});

describe
  .skipIf(!hasOldRelease)
  .each(PROXIES.filter((name) => name !== "caddy" && hasProxy(name)).map((name) => [name]))(
  "the first release behind %s",
  (name) => {
    test("is replaced by this one under load, through migrate and migrate --finalize", async () => {
      const command = oldRelease();
      const replicas = await startReplicas({ DEADLETTER_SHUTDOWN_GRACE_MS: "3000" }, command);
      const proxy = await startProxy(name, await freePort(), [replicas[0].port, replicas[1].port]);
      try {
        await warm(proxy.url, replicas);
        const running = load(proxy.url);
        await Bun.sleep(1_000);
        const environment = replicas[0].environment;
        const migrated = await runDeadletter(["migrate"], environment);
        expect([migrated.exitCode, migrated.stderr]).toEqual([0, ""]);
        for (const replica of replicas) await replace(replica);
        expect((await runDeadletter(["migrate", "--finalize"], environment)).exitCode).toBe(0);
        await Bun.sleep(1_000);
        const { failed, redirects, changes, retried } = await running.end();
        console.log(`      ${name}: ${redirects} redirects, ${changes} changes, ${retried} told to retry`);
        expect(failed).toEqual([]);
        expect((await runDeadletter(["verify", "--quiet"], environment)).exitCode).toBe(0);
      } finally {
        await proxy.close();
        await stopAll(replicas);
      }
    }, 180_000);
  },
);
