// kill -9 in the middle of a storm of writes, again and again: what was acknowledged is there, and so is its event.

import { describe, expect, test } from "bun:test";
import { createStore, ENGINES, type TestStore, until } from "./support/harness.ts";
import { runDeadletter, type Served, startServe } from "./support/process.ts";

const ROUNDS = 10;
const WRITERS = 8;

describe.each([...ENGINES])("kill -9 on %s", (engine) => {
  test(`${ROUNDS} times during a write storm: no acknowledged change is lost, and verify exits 0`, async () => {
    const store = await createStore(engine);
    let key = "";
    const acknowledged = new Map<string, { id: number; version: number }>();
    for (let round = 0; round < ROUNDS; round++) {
      const served = await startServe(store.environment);
      if (round === 0) key = served.key ?? (await makeAdmin(store));
      await storm(served, key, round, acknowledged);
    }
    const events = await store.query<{ actor: string; subject_id: number; version: number }>(
      "select actor, subject_id, version from events where subject_type = 'url'",
    );
    const written = new Map(events.map((event) => [requestIdOf(event.actor), event]));
    for (const [requestId, { id, version }] of acknowledged) {
      expect({ requestId, ...pick(written.get(requestId)) }).toEqual({ requestId, id, version });
    }
    const { exitCode, stdout } = await runDeadletter(["verify"], store.environment);
    expect([exitCode, stdout.trim().split("\n").at(-1)?.endsWith("all true")]).toEqual([0, true]);
    expect(acknowledged.size).toBeGreaterThan(ROUNDS * 10);
    store.remove();
  }, 120_000);
});

async function makeAdmin(store: TestStore): Promise<string> {
  const { stdout } = await runDeadletter(["users", "create", "--admin", "--json"], store.environment);
  return JSON.parse(stdout).key.key as string;
}

/** Writers create, edit and delete until the process is killed under them, at a moment chosen by how much was done. */
async function storm(
  served: Served,
  key: string,
  round: number,
  acknowledged: Map<string, { id: number; version: number }>,
): Promise<void> {
  const before = acknowledged.size;
  const killAfter = 20 + Math.floor(Math.random() * 200);
  let isOver = false;
  const send = async (method: string, path: string, requestId: string, body?: object) => {
    const answer = await fetch(served.url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "x-request-id": requestId },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const link = (await answer.json()) as { id: number; version: number };
    if (answer.ok) acknowledged.set(requestId, { id: link.id, version: link.version });
    return link;
  };
  const writer = async (number: number) => {
    for (let step = 0; !isOver; step++) {
      const name = `r${round}-w${number}-s${step}`;
      const { id } = await send("POST", "/urls", `${name}-create`, { original_url: "https://example.com/" });
      await send("PATCH", `/urls/${id}`, `${name}-edit`, { title: name });
      if (step % 3 === 0) await send("DELETE", `/urls/${id}`, `${name}-delete`);
    }
  };
  // A request that the kill cuts off rejects: nobody was told anything, so nothing is owed.
  const writers = Array.from({ length: WRITERS }, (_, number) => writer(number).catch(() => undefined));
  await until(
    `round ${round}: ${killAfter} changes are acknowledged`,
    () => acknowledged.size >= before + killAfter,
    30_000,
  );
  served.child.kill(9);
  isOver = true;
  await served.child.exited;
  await Promise.all(writers);
}

function requestIdOf(actor: string): string {
  return (JSON.parse(actor) as [string, string, { request_id: string }])[2].request_id;
}

function pick(event: { subject_id: number; version: number } | undefined) {
  return event && { id: Number(event.subject_id), version: Number(event.version) };
}
