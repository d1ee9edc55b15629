// `deadletter bulk` and `import` that are killed at any moment and run again: every row is carried out once, everything verifies.

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStore, ENGINES, type TestStore } from "../support/harness.ts";
import { runDeadletter, spawnDeadletter } from "../support/process.ts";

const ROWS = { sqlite: 24_000, postgres: 8_000 };
const KILLS = 10;

/** Runs a command until it was killed ten times or got to its end, and then once more; how often it was killed. */
async function killAndRunAgain(words: readonly string[], store: TestStore): Promise<number> {
  let [kills, before] = [0, 0];
  while (kills < KILLS) {
    const child = spawnDeadletter(words, store.environment);
    await Promise.race([child.exited, Bun.sleep(350 + Math.random() * 400)]);
    if (child.exitCode !== null) break;
    child.kill("SIGKILL");
    await child.exited;
    kills += 1;
    const now = await countLinks(store);
    expect(now).toBeGreaterThanOrEqual(before);
    before = now;
  }
  expect(kills).toBeGreaterThan(0);
  const { stdout, exitCode } = await runDeadletter(words, store.environment);
  expect([exitCode, JSON.parse(stdout)]).toMatchObject([0, {}]);
  expect(await countLinks(store)).toBe(ROWS[store.engine]);
  const [targets] = await store.query<{ n: number }>("select count(distinct original_url) as n from urls");
  expect(Number(targets?.n)).toBe(ROWS[store.engine]);
  expect((await runDeadletter(["verify", "--quiet"], store.environment)).exitCode).toBe(0);
  return kills;
}

async function countLinks(store: TestStore): Promise<number> {
  return Number((await store.query<{ n: number }>("select count(*) as n from urls"))[0]?.n);
}

test.each([...ENGINES])(
  "bulk on %s carries each row out once, however often it is killed",
  async (engine) => {
    const store = await createStore(engine);
    const folder = mkdtempSync(join(tmpdir(), "deadletter-bulk-"));
    const file = join(folder, "rows.ndjson");
    const rows = Array.from({ length: ROWS[engine] }, (_, at) =>
      JSON.stringify({ original_url: `https://a.example/${at}` }),
    );
    writeFileSync(file, `${rows.join("\n")}\n`);
    await runDeadletter(["migrate"], store.environment);
    await killAndRunAgain(["bulk", file, "--json"], store);
    rmSync(folder, { recursive: true });
    store.remove();
  },
  180_000,
);

test.each([...ENGINES])(
  "import on %s brings each row in once, however often it is killed",
  async (engine) => {
    const store = await createStore(engine);
    const folder = mkdtempSync(join(tmpdir(), "deadletter-bulk-"));
    const rows = Array.from({ length: ROWS[engine] }, (_, at) => at + 1);
    const times = "2025-06-09 11:24:49";
    const files = {
      users: ["id,username,email,created_at", `1,ada,ada@a.example,${times}`],
      urls: [
        "id,user_id,short_code,original_url,title,is_active,created_at,updated_at",
        ...rows.map((id) => `${id},1,i${id}x,https://a.example/${id},,True,${times},${times}`),
      ],
      events: [
        "id,url_id,user_id,event_type,timestamp,details",
        ...rows.map((id) => `${id},${id},1,created,${times},{}`),
      ],
    };
    const flags = Object.entries(files).flatMap(([name, lines]) => {
      const path = join(folder, `${name}.csv`);
      writeFileSync(path, `${lines.join("\n")}\n`);
      return [`--${name}`, path];
    });
    await runDeadletter(["migrate"], store.environment);
    await killAndRunAgain(["import", ...flags, "--json"], store);
    rmSync(folder, { recursive: true });
    store.remove();
  },
  180_000,
);
