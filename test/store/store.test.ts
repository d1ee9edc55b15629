import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { systemClock } from "../../src/runtime/clock.ts";
import { migrate, schemaStatus } from "../../src/store/migrate.ts";
import { migrationsFor } from "../../src/store/migrations.ts";
import { openPostgres } from "../../src/store/postgres.ts";
import { isUniqueViolation, type Store, StoreError } from "../../src/store/store.ts";
import { openFresh, THREADED } from "../support/fresh-store.ts";
import { ENGINES, until } from "../support/harness.ts";
import { createDatabase } from "../support/postgres.ts";

describe.each([...ENGINES, THREADED] as const)("a store on %s", (engine) => {
  let store: Store;
  let fresh: Awaited<ReturnType<typeof openFresh>>;
  beforeAll(async () => {
    fresh = await openFresh(engine);
    store = await fresh.open();
    await store.migrate((tx) =>
      tx.script(
        "create table t (id integer primary key, name text not null, n bigint, b " +
          (engine === "postgres" ? "bytea" : "blob") +
          "); create unique index t_name_key on t (name)",
      ),
    );
  });
  afterAll(async () => {
    await store.close();
    fresh.remove();
  });
  const names = async () =>
    (await store.read((sql) => sql<{ name: string }>`select name from t order by name`)).map((row) => row.name);

  test("round-trips text, integers, bytes and null", async () => {
    const bytes = Uint8Array.from([0, 1, 255]);
    await store.begin(
      (tx) => tx`insert into t (id, name, n, b) values (${1}, ${"ünï 'quoted'"}, ${Number.MAX_SAFE_INTEGER}, ${bytes})`,
    );
    await store.begin((tx) => tx`insert into t (id, name, n, b) values (${2}, ${"none"}, ${null}, ${null})`);
    const rows = await store.read(
      (sql) =>
        sql<{
          n: number | null;
          b: Uint8Array | null;
          name: string;
        }>`select name, n, b from t where id in ${sql([1, 2])} order by id`,
    );
    expect(rows.map((row) => ({ ...row, b: row.b && [...row.b] }))).toEqual([
      { name: "ünï 'quoted'", n: Number.MAX_SAFE_INTEGER, b: [0, 1, 255] },
      { name: "none", n: null, b: null },
    ]);
    expect(await store.read((sql) => sql<{ n: number }>`select count(*) as n from t`)).toEqual([{ n: 2 }] as never);
  });

  test("binds parameters by where they stand, also through fragments", async () => {
    const row = (
      await store.read(
        (sql) =>
          sql<{
            a: string;
            b: string;
            c: string;
          }>`select cast(${"1"} as text) as a, ${sql`cast(${"2"} as text)`} as b, cast(${"3"} as text) as c`,
      )
    )[0];
    expect({ ...row }).toEqual({ a: "1", b: "2", c: "3" });
  });

  test("a throw rolls back, and the thrown error comes out", async () => {
    const boom = new Error("boom");
    const work = store.begin(async (tx) => {
      await tx`insert into t (id, name) values (10, 'rolled back')`;
      throw boom;
    });
    expect(await work.catch((error: unknown) => error)).toBe(boom);
    expect(await names()).not.toContain("rolled back");
  });

  test("a broken rule rolls back, and has the same name on both engines", async () => {
    const error = await store
      .begin(async (tx) => {
        await tx`insert into t (id, name) values (11, 'with the duplicate')`;
        await tx`insert into t (id, name) values (12, 'none')`;
      })
      .catch((thrown: unknown) => thrown);
    expect(isUniqueViolation(error, "t_name_key")).toBe(true);
    expect(await names()).not.toContain("with the duplicate");
  });

  test("a failing transaction takes nothing of those beside it with it", async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) =>
        store.begin(async (tx) => {
          await tx`insert into t (id, name) values (${100 + index}, ${`beside ${index}`})`;
          if (index % 4 === 0) throw new Error("mine alone");
        }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(10);
    expect((await names()).filter((name) => name.startsWith("beside"))).toHaveLength(30);
  });

  test("readers do not see what is not committed", async () => {
    let seen: string[] = [];
    await store.begin(async (tx) => {
      await tx`insert into t (id, name) values (20, 'not yet')`;
      seen = await names();
    });
    expect(seen).not.toContain("not yet");
    expect(await names()).toContain("not yet");
  });

  test("a snapshot sees one state from beginning to end", async () => {
    const counts = await store.snapshot(async (sql) => {
      const count = async () => (await sql<{ n: number }>`select count(*) as n from t`)[0]?.n;
      const before = await count();
      await store.begin((tx) => tx`insert into t (id, name) values (30, 'meanwhile')`);
      return [before, await count()];
    });
    expect(counts[0]).toBe(counts[1] ?? -1);
  });

  test("refuses an undefined parameter", async () => {
    const work = store.read((sql) => sql`select ${undefined as never} as a`);
    expect(
      await work.then(
        () => "answered",
        () => "refused",
      ),
    ).toBe("refused");
  });

  test("closes twice without complaint", async () => {
    const other = await fresh.open();
    await other.close();
    await other.close();
  });
});

describe.each(["sqlite", THREADED] as const)("the embedded store: %s", (engine) => {
  test("refuses begin() inside begin(), and a tag used after its transaction", async () => {
    const fresh = await openFresh(engine);
    const store = await fresh.open();
    const nested = store.begin(() => store.begin(async () => 1));
    expect(String(await nested.catch((error: unknown) => error))).toContain("begin() inside begin()");
    let late: (() => Promise<unknown>) | undefined;
    await store.begin(async (tx) => {
      late = () => tx`select 1`.then(() => "ran");
    });
    expect(String(await late?.().catch((error: unknown) => error))).toContain("after the transaction ended");
    await store.close();
    fresh.remove();
  });

  test("a transaction that cannot be ended is refused, and the next one works", async () => {
    const fresh = await openFresh(engine);
    const store = await fresh.open();
    await store.migrate((tx) => tx.script("create table t (id integer)"));
    // EXPLAIN leaves its statement unfinished in Bun, so that SQLite refuses to release the savepoint.
    const stuck = store.begin(async (tx) => {
      await tx`insert into t values (1)`;
      await tx`explain insert into t values (2)`;
    });
    expect(
      await stuck.then(
        () => "committed",
        () => "refused",
      ),
    ).toBe("refused");
    await store.begin((tx) => tx`insert into t values (3)`);
    expect([...(await store.read((sql) => sql<{ id: number }>`select id from t`))]).toEqual([{ id: 3 }]);
    await store.close();
    fresh.remove();
  });

  test("waiting for another process's lock blocks no other call, and every waiter is told at its deadline", async () => {
    const fresh = await openFresh(engine);
    const store = await fresh.open();
    const { Database } = await import("bun:sqlite");
    const other = new Database(store.place);
    other.run("begin immediate");
    const order: string[] = [];
    const writes = Array.from({ length: 50 }, () =>
      store
        .begin(async (tx) => tx`select 1`, { deadlineMs: 200 })
        .catch((error: { code?: string }) => order.push(error.code ?? "?")),
    );
    await until("the writer is at it", () => store.load().active === 1);
    for (let index = 0; index < 10; index++) {
      await store.read((sql) => sql`select 1`);
      await new Promise<void>((turn) => setImmediate(turn));
      order.push("read");
    }
    await Promise.all(writes);
    expect(order).toEqual([
      ...Array.from({ length: 10 }, () => "read"),
      ...Array.from({ length: 50 }, () => "unavailable"),
    ]);
    // Closing does not wait for the other process either.
    await store.close();
    other.close();
    fresh.remove();
  });

  test("a transaction that never ends is ended at its deadline, alone", async () => {
    const fresh = await openFresh(engine);
    const store = await fresh.open();
    await store.migrate((tx) => tx.script("create table t (id integer)"));
    const endless = store.begin(
      async (tx) => {
        await tx`insert into t values (1)`;
        await new Promise(() => {});
      },
      { deadlineMs: 100 },
    );
    const beside = store.begin((tx) => tx`insert into t values (2)`);
    expect((await endless.catch((error: unknown) => error)) as object).toMatchObject({ code: "unavailable" });
    await beside;
    expect([...(await store.read((sql) => sql<{ id: number }>`select id from t`))]).toEqual([{ id: 2 }]);
    await store.close();
    fresh.remove();
  });

  test("what has waited past its deadline is refused, and not done all the same", async () => {
    const fresh = await openFresh(engine);
    const store = await fresh.open();
    await store.migrate((tx) => tx.script("create table t (id integer primary key)"));
    let goOn: () => void = () => {};
    const slow = store.begin(() => new Promise<void>((resolve) => (goOn = resolve)), { deadlineMs: 10_000 });
    const late = store
      .begin((tx) => tx`insert into t values (1)`, { deadlineMs: 30 })
      .catch((error: { code?: string }) => error.code);
    const passed = performance.now() + 30;
    await until("its deadline has passed", () => performance.now() > passed);
    goOn();
    await slow;
    expect(await late).toBe("unavailable");
    expect([...(await store.read((sql) => sql`select id from t`))]).toEqual([]);
    await store.close();
    fresh.remove();
  });

  test("a refusal that rests on a neighbour is withdrawn when the neighbour's group is lost", async () => {
    const fresh = await openFresh(engine);
    const store = await fresh.open();
    await store.migrate((tx) => tx.script("create table t (id integer primary key)"));
    const insert = () =>
      store
        .begin((tx) => tx`insert into t values (1)`)
        .then(
          () => "saved",
          (error: { code?: string; kind?: string }) => error.code ?? error.kind,
        );
    // The third leaves a statement unfinished, so that the group cannot be committed.
    const stick = () =>
      store
        .begin((tx) => tx`explain insert into t values (2)`)
        .then(
          () => "saved",
          (error: { code?: string }) => error.code,
        );
    // On a busy machine a group may end before the third comes to it: then the first two are told what they were.
    await until("the three of them make a group", async () => {
      const told = await Promise.all([insert(), insert(), stick()]);
      expect(told[2]).toBe("unavailable");
      if (told[0] === "unavailable") expect(told).toEqual(["unavailable", "unavailable", "unavailable"]);
      else await store.begin((tx) => tx`delete from t`);
      return told[0] === "unavailable";
    });
    expect(await insert()).toBe("saved");
    await store.close();
    fresh.remove();
  });

  test("an outer transaction that waits for a writer in another process is refused at its deadline, not for ever", async () => {
    const fresh = await openFresh(engine);
    const store = await fresh.open();
    const { Database } = await import("bun:sqlite");
    const other = new Database(store.place);
    other.run("begin immediate");
    const work = store.begin(async (tx) => tx`select 1`, { deadlineMs: 300 });
    expect((await work.catch((error: unknown) => error)) as object).toMatchObject({ code: "unavailable" });
    other.run("rollback");
    other.close();
    await store.begin(async (tx) => tx`select 1`);
    await store.close();
    fresh.remove();
  });
});

describe("PostgreSQL", () => {
  test("a server that accepts and never answers is given up at the deadline", async () => {
    const hole: Server = createServer(() => {});
    await new Promise<void>((listening) => hole.listen(0, "127.0.0.1", listening));
    const { port } = hole.address() as { port: number };
    const store = await openPostgres(`postgres://u@127.0.0.1:${port}/d`, {
      poolSize: 1,
      deadlineMs: 300,
      isPooled: false,
      clock: systemClock,
    });
    const read = await store.read((sql) => sql`select 1`).catch((error: unknown) => error);
    expect(read as object).toMatchObject({ code: "unavailable" });
    const write = await store.begin(async (tx) => tx`select 1`).catch((error: unknown) => error);
    expect(write as object).toMatchObject({ code: "unavailable" });
    void store.close();
    hole.close();
  });

  test("a snapshot and a long job are not bound by the deadline of other calls", async () => {
    const url = await createDatabase();
    const store = await openPostgres(url, { poolSize: 2, deadlineMs: 200, isPooled: false, clock: systemClock });
    await store.snapshot(async (sql) => sql`select pg_sleep(0.4)`);
    await store.begin(async (tx) => tx`select pg_sleep(0.4)`, { deadlineMs: 5_000 });
    const short = await store.read((sql) => sql`select pg_sleep(0.4)`).catch((error: unknown) => error);
    expect(short as object).toMatchObject({ code: "unavailable" });
    await store.close();
  });

  test("a read-only server is unavailable for writing, not broken", async () => {
    const url = await createDatabase();
    const store = await openPostgres(url, { poolSize: 1, deadlineMs: 2_000, isPooled: false, clock: systemClock });
    await store.migrate((tx) => tx.script("create table t (id integer)"));
    const refused = await store
      .begin(async (tx) => {
        await tx`set transaction read only`;
        await tx`insert into t values (1)`;
      })
      .catch((error: unknown) => error);
    expect(refused as object).toMatchObject({ code: "unavailable" });
    await store.close();
  });

  test("a transaction whose caller was told it is late does not commit", async () => {
    const url = await createDatabase();
    const store = await openPostgres(url, { poolSize: 2, deadlineMs: 400, isPooled: false, clock: systemClock });
    await store.migrate((tx) => tx.script("create table t (id integer)"));
    let goOn: () => void = () => {};
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const work = store.begin(async (tx) => {
      await tx`insert into t values (1)`;
      await waiting;
    });
    expect((await work.catch((error: unknown) => error)) as object).toMatchObject({ code: "unavailable" });
    goOn();
    // The next transaction waits behind nothing: when it is through, the late one has been rolled back.
    await store.begin((tx) => tx`lock table t in access exclusive mode`);
    expect([...(await store.read((sql) => sql<{ n: number }>`select count(*) as n from t`))]).toEqual([{ n: 0 }]);
    await store.close();
  });
});

describe.each([...ENGINES])("migrations on %s", (engine) => {
  test("ten at once on an empty database all come up, and each migration is applied once", async () => {
    const fresh = await openFresh(engine);
    const stores = await Promise.all(Array.from({ length: 10 }, () => fresh.open()));
    const applied = await Promise.all(stores.map((store) => migrate(store, { nowMs: 1 })));
    expect(applied.flat()).toHaveLength(migrationsFor(engine).length);
    const [store] = stores as [Store];
    expect((await schemaStatus(store)).pending).toEqual([]);
    expect(await migrate(store, { nowMs: 2 })).toEqual([]);
    await Promise.all(stores.map((each) => each.close()));
    fresh.remove();
  });

  test("refuses a newer schema and a changed checksum", async () => {
    const fresh = await openFresh(engine);
    const store = await fresh.open();
    await migrate(store, { nowMs: 1 });
    await store.begin(
      (tx) => tx`insert into schema_migrations (version, name, checksum, applied_at_ms) values (999, 'future', 'x', 1)`,
    );
    expect(String(await schemaStatus(store).catch((error: unknown) => error))).toContain("newer than this binary");
    expect(String(await migrate(store, { nowMs: 1 }).catch((error: unknown) => error))).toContain(
      "newer than this binary",
    );
    await store.begin((tx) => tx`delete from schema_migrations where version = 999`);
    await store.begin((tx) => tx`update schema_migrations set checksum = 'edited' where version = 1`);
    expect(String(await schemaStatus(store).catch((error: unknown) => error))).toContain("checksum differs");
    await store.close();
    fresh.remove();
  });

  test("a failing migration leaves nothing behind", async () => {
    const fresh = await openFresh(engine);
    const store = await fresh.open();
    const work = store.migrate(async (tx) => {
      await tx.script("create table half_done (id integer)");
      await tx.script("create nonsense");
    });
    expect(await work.catch((error: unknown) => error)).toBeInstanceOf(StoreError);
    const missing = await store.read((sql) => sql`select * from half_done`).catch((error: unknown) => error);
    expect(missing).toMatchObject({ kind: "missing_table" });
    await store.close();
    fresh.remove();
  });
});
