// A restore drill on PostgreSQL, with its own tools: says what a restore would give, and leaves no database behind.

import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { startPair } from "../support/debian-postgres.ts";
import { newEnvironment } from "../support/harness.ts";
import { createAdmin, runDeadletter, startServe } from "../support/process.ts";

const BINARIES = "/usr/lib/postgresql/15/bin";

test.skipIf(Bun.which("pg_dump", { PATH: BINARIES }) === null)(
  "a drill dumps, restores beside, verifies and drops; a role that may not create a database is told what it lacks",
  async () => {
    const pair = await startPair();
    const scratch = mkdtempSync(join(tmpdir(), "deadletter-drill-"));
    const environment = newEnvironment(pair.primaryUrl, {
      PATH: `${BINARIES}:${process.env.PATH}`,
      LOG_LEVEL: "error",
    });
    const sql = postgres(pair.primaryUrl, { max: 1, onnotice: () => {} });
    try {
      const served = await startServe(environment);
      const key = await createAdmin(environment);
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const body = JSON.stringify({ original_url: "https://example.com/" });
      for (let link = 0; link < 5; link++)
        expect((await fetch(`${served.url}/urls`, { method: "POST", headers, body })).status).toBe(201);
      const drill = () => runDeadletter(["drill", "restore", "--json", "--dir", scratch], environment);
      const done = await drill();
      expect([done.exitCode, JSON.parse(done.stdout)]).toMatchObject([0, { isTrue: true, events: 7 }]);
      const left = () => sql`select datname from pg_database where datname like 'deadletter_drill%'`;
      expect([readdirSync(scratch), [...(await left())]]).toEqual([[], []]);
      // What somebody changed past deadletter is found in the copy as well.
      await sql.unsafe(
        "alter table urls disable trigger all; update urls set title = 'forged'; alter table urls enable trigger all",
      );
      expect((await drill()).exitCode).toBe(6);
      await sql.unsafe("create role limited login; grant all on all tables in schema public to limited");
      const limited = { ...environment, DATABASE_URL: pair.primaryUrl.replace("postgres@", "limited@") };
      const refused = await runDeadletter(["drill", "restore", "--dir", scratch], limited);
      expect([refused.exitCode, refused.stderr]).toEqual([7, expect.stringContaining("the right to create one")]);
      expect([readdirSync(scratch), [...(await left())]]).toEqual([[], []]);
      served.child.kill("SIGTERM");
      await served.child.exited;
    } finally {
      await sql.end();
      await pair.remove();
      rmSync(scratch, { recursive: true, force: true });
      rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
    }
  },
  120_000,
);
