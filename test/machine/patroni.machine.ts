// Two replicas on a PostgreSQL whose leader is killed under writers, again and again, while Patroni makes the other one leader: in
// synchronous mode nothing that was acknowledged is lost, and no redirect fails. KILLS says how often (10 for the record).

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { newEnvironment, until } from "../support/harness.ts";
import { hasPatroni, type PatroniCluster, startPatroni } from "../support/patroni.ts";
import { createAdmin, runDeadletter, type Served, startServe } from "../support/process.ts";

const KILLS = Number(process.env.KILLS ?? 2);
const LINKS = 50;

describe.skipIf(!hasPatroni())("a leader that is killed under Patroni", () => {
  const environments = [newEnvironment("to-be-set"), newEnvironment("to-be-set")];
  const replicas: Served[] = [];
  let cluster: PatroniCluster;
  let key = "";

  beforeAll(async () => {
    cluster = await startPatroni();
    for (const environment of environments) {
      Object.assign(environment, { DATABASE_URL: cluster.url, LOG_LEVEL: "error" });
      replicas.push(await startServe(environment));
    }
    key = await createAdmin(environments[0] ?? {});
    for (let link = 0; link < LINKS; link++) expect(await create(0, `hot-${link}`)).toBe(201);
    for (const { url } of replicas)
      for (let link = 0; link < LINKS; link++)
        expect((await fetch(`${url}/hot-${link}`, { redirect: "manual" })).status).toBe(302);
  }, 180_000);

  afterAll(async () => {
    for (const { child } of replicas) child.kill("SIGKILL");
    await cluster?.remove();
    for (const { DEADLETTER_DATA_DIR: path } of environments) rmSync(path, { recursive: true, force: true });
  });

  async function create(replica: number, short_code: string): Promise<number> {
    const answer = await fetch(`${replicas[replica]?.url}/urls`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ original_url: `https://example.com/${short_code}`, short_code }),
      signal: AbortSignal.timeout(15_000),
    }).catch(() => undefined);
    await answer?.body?.cancel();
    return answer?.status ?? 0;
  }

  test(`${KILLS} times: nothing acknowledged is lost, every redirect is answered`, async () => {
    let isOver = false;
    const acknowledged: string[] = [];
    const failedRedirects: string[] = [];
    let [redirects, longestMs, lastMs] = [0, 0, performance.now()];
    const writer = async (number: number) => {
      for (let step = 0; !isOver; step++) {
        const code = `w${number}-${step}`;
        if ((await create(number % 2, code)) === 201) {
          acknowledged.push(code);
          longestMs = Math.max(longestMs, performance.now() - lastMs);
          lastMs = performance.now();
        }
        await Bun.sleep(10);
      }
    };
    const reader = async (number: number) => {
      for (let step = number; !isOver; step++) {
        const link = step % LINKS;
        const answer = await fetch(`${replicas[step % 2]?.url}/hot-${link}`, { redirect: "manual" }).catch(String);
        redirects += 1;
        if (typeof answer === "string" || answer.status !== 302)
          failedRedirects.push(String(typeof answer === "string" ? answer : answer.status));
        await Bun.sleep(5);
      }
    };
    const load = [0, 1, 2, 3].flatMap((number) => [writer(number), reader(number * 11)]);
    for (let round = 0; round < KILLS; round++) {
      const before = acknowledged.length;
      await until("changes are made", () => acknowledged.length > before + 50, 60_000);
      const atKill = acknowledged.length;
      const name = await cluster.killLeader(round % 2 === 1);
      await until("changes are made again", () => acknowledged.length > atKill + 50, 90_000);
      await cluster.heal();
      console.log(
        `      ${round + 1}: ${name} killed${round % 2 === 1 ? " with its Patroni" : ""}, longest pause so far ${(longestMs / 1000).toFixed(1)} s`,
      );
    }
    isOver = true;
    await Promise.all(load);
    expect(failedRedirects).toEqual([]);
    const lost: string[] = [];
    for (const code of acknowledged) {
      const answer = await fetch(`${replicas[0]?.url}/${code}`, { redirect: "manual" });
      if (answer.headers.get("location") !== `https://example.com/${code}`) lost.push(code);
    }
    expect(lost).toEqual([]);
    expect((await runDeadletter(["verify", "--quiet"], environments[0] ?? {})).exitCode).toBe(0);
    console.log(
      `      ${acknowledged.length} changes acknowledged, 0 lost; ${redirects} redirects, 0 failed; longest pause of changes ${(longestMs / 1000).toFixed(1)} s`,
    );
  }, 900_000);
});
