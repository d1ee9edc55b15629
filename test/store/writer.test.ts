// The writer of an embedded store whose connection is lost, or does not answer: in this thread, and in one of its own.

import { describe, expect, test } from "bun:test";
import { systemClock } from "../../src/runtime/clock.ts";
import { StoreCounts } from "../../src/store/counts.ts";
import { SqliteWriter } from "../../src/store/sqlite-writer.ts";
import { type Tx, UNKNOWN_OUTCOME } from "../../src/store/store.ts";
import { ThreadedConnection } from "../../src/store/threaded-connection.ts";
import { openForWriting, type WriteConnection } from "../../src/store/write-connection.ts";
import { openFresh, THREADED } from "../support/fresh-store.ts";

/** A writer that cannot open another connection the first time. */
async function openWriter(engine: string, fresh: Awaited<ReturnType<typeof openFresh>>) {
  const store = await fresh.open();
  await store.close();
  const options = {
    path: store.place,
    walBytes: 2 ** 20,
    movesWal: true,
    mustExist: true,
  } as const;
  const connect = async () =>
    engine === THREADED ? ThreadedConnection.open(options, systemClock) : openForWriting(options, systemClock);
  const first: WriteConnection = await connect();
  let tries = 0;
  const reopen = async () => {
    tries += 1;
    if (tries === 1) throw new Error("not yet");
    return connect();
  };
  const writer = new SqliteWriter(first, reopen, { clock: systemClock, counts: new StoreCounts() });
  return { writer, first, tries: () => tries };
}

function outcomeOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => "done",
    (error: { code?: string }) => error.code,
  );
}

describe.each(["sqlite", THREADED] as const)("the writer: %s", (engine) => {
  test("a connection that is lost is replaced, also when that fails at first", async () => {
    const fresh = await openFresh(engine);
    const { writer, first, tries } = await openWriter(engine, fresh);
    await first.close();
    const outcome = () => outcomeOf(writer.submit(async (tx) => tx`select 1 as one`, { deadlineMs: 1_000 }));
    // A thread that is gone is seen to be gone; a connection only as it is used.
    const outcomes = [await outcome(), await outcome(), await outcome()];
    expect(outcomes).toEqual(["unavailable", engine === THREADED ? "done" : "unavailable", "done"]);
    expect(tries()).toBe(2);
    await writer.close();
    fresh.remove();
  });

  test("a connection that is lost while it commits leaves an outcome that is said to be unknown only where it is", async () => {
    const fresh = await openFresh(engine);
    const { writer, first } = await openWriter(engine, fresh);
    const lose = async (tx: Tx) => {
      await tx`select 1`;
      void first.close();
    };
    const error = await writer.submit(lose, { deadlineMs: 1_000 }).catch((reason: Error) => reason);
    const isThreaded = engine === THREADED;
    expect(String(error)).toContain(isThreaded ? UNKNOWN_OUTCOME : "the change was not saved");
    fresh.remove();
  });

  test("what need not wait for the disk shares no commit with what must, unless that waits", async () => {
    const fresh = await openFresh(engine);
    const { writer } = await openWriter(engine, fresh);
    const modes: string[] = [];
    const note = async (tx: Tx) => {
      const [row] = await tx<{ synchronous: number }>`pragma synchronous`;
      modes.push(row?.synchronous === 2 ? "full" : "normal");
    };
    const submit = (isRelaxed: boolean) => writer.submit(note, { deadlineMs: 5_000, isRelaxed });
    await Promise.all([submit(true), submit(true), submit(false), submit(true)]);
    expect(modes).toEqual(["normal", "normal", "full", "full"]);
    // Also after one that fails.
    const failing = writer.submit(
      async (tx) => {
        await tx`insert into nowhere values (1)`;
      },
      { deadlineMs: 5_000, isRelaxed: true },
    );
    expect(await failing.catch(() => "failed")).toBe("failed");
    await submit(false);
    expect(modes.at(-1)).toBe("full");
    await writer.close();
    fresh.remove();
  });
});

test("in a thread, a statement that takes too long holds nobody past their deadline, and nothing of its group is saved", async () => {
  const fresh = await openFresh(THREADED);
  const store = await fresh.open();
  await store.migrate((tx) => tx.script("create table t (id integer primary key)"));
  const deadlineMs = 300;
  const began = performance.now();
  const told = async (work: Promise<unknown>) => [await outcomeOf(work), performance.now() - began] as const;
  const slow = (tx: Tx) =>
    tx`with recursive c (x) as (select 1 union all select x + 1 from c where x < 20000000) select count(*) from c`;
  const results = await Promise.all([
    told(store.begin((tx) => tx`insert into t values (1)`, { deadlineMs })),
    told(store.begin(slow, { deadlineMs })),
  ]);
  const tookMs = performance.now() - began;
  await store.begin((tx) => tx`insert into t values (2)`, { deadlineMs: 60_000 });
  expect(results.map(([outcome]) => outcome)).toEqual(["unavailable", "unavailable"]);
  // The statement itself takes seconds: they were told while it went on.
  expect(tookMs).toBeLessThan(performance.now() - began);
  expect([...(await store.read((sql) => sql`select id from t`))]).toEqual([{ id: 2 }]);
  await store.close();
  fresh.remove();
});
