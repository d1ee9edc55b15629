// `deadletter bulk` that is killed at any moment and run again: every row is carried out once, and everything verifies.

import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStore, ENGINES } from "../support/harness.ts";
import { runDeadletter, spawnDeadletter } from "../support/process.ts";

const ROWS = 6_000;
const KILLS = 10;

test.each([...ENGINES])(
  "bulk on %s carries each row out once, however often it is killed",
  async (engine) => {
    const store = await createStore(engine);
    const file = join(tmpdir(), `bulk-${engine}-${process.pid}.ndjson`);
    const rows = Array.from({ length: ROWS }, (_, at) => JSON.stringify({ original_url: `https://a.example/${at}` }));
    writeFileSync(file, `${rows.join("\n")}\n`);
    await runDeadletter(["migrate"], store.environment);
    const count = async () => Number((await store.query<{ n: number }>("select count(*) as n from urls"))[0]?.n);
    let kills = 0;
    for (let before = 0; kills < KILLS; ) {
      const child = spawnDeadletter(["bulk", file, "--json"], store.environment);
      const delayMs = 400 + Math.random() * 600;
      await Promise.race([child.exited, Bun.sleep(delayMs)]);
      if (child.exitCode !== null) break;
      child.kill("SIGKILL");
      await child.exited;
      kills += 1;
      const now = await count();
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
    const { stdout, exitCode } = await runDeadletter(["bulk", file, "--json"], store.environment);
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([0, { rows: ROWS, failed: 0, stopped: null }]);
    expect(kills).toBeGreaterThan(0);
    expect(await count()).toBe(ROWS);
    const [targets] = await store.query<{ n: number }>("select count(distinct original_url) as n from urls");
    expect(Number(targets?.n)).toBe(ROWS);
    expect((await runDeadletter(["verify", "--quiet"], store.environment)).exitCode).toBe(0);
    rmSync(file);
    rmSync(`${file}.failed.ndjson`, { force: true });
    store.remove();
  },
  180_000,
);
