// A thread that runs the statements of an embedded store's writer, so that no redirect waits for them, or for the disk.
// threaded-connection.ts talks to it.

import { messageOf } from "../errors.ts";
import { systemClock } from "../runtime/clock.ts";
import { yieldToOthers } from "../runtime/program.ts";
import { type Answers, type Call, decodeCalls, encodeAnswers, type Failure } from "./call-codec.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { StoreError } from "./store.ts";
import type { OpenAnswer, OpenQuestion } from "./threaded-connection.ts";
import { openForWriting } from "./write-connection.ts";

declare const self: Worker;

yieldToOthers();

let connection: SqliteConnection | undefined;

self.onmessage = async ({ data }: MessageEvent<ArrayBuffer | OpenQuestion>) => {
  if (data instanceof ArrayBuffer) {
    const bytes = encodeAnswers(runAll(decodeCalls(data)));
    self.postMessage(bytes, [bytes]);
    return;
  }
  try {
    connection = await openForWriting(data.options, systemClock);
    tell({ kind: "opened" });
  } catch (error) {
    tell({ kind: "failed", failure: failureOf(error) });
  }
};

function tell(answer: OpenAnswer): void {
  self.postMessage(answer);
}

function runAll(calls: readonly Call[]): Answers {
  const results = calls.map((call) => {
    try {
      return run(call);
    } catch (error) {
      return failureOf(error);
    }
  });
  return { results, inTransaction: connection?.inTransaction ?? false };
}

/** Nothing for what has no rows. */
function run(call: Call): unknown[] | undefined {
  if (!connection) throw new Error("the store is not open");
  if (call.kind === "all") return (call.isInside ? connection.inside : connection).all(call.text, call.values);
  if (call.kind === "each") connection.inside.each(call.text, call.rows);
  else if (call.kind === "run") connection.run(call.text);
  else if (call.kind === "abandon") connection.abandon();
  else {
    connection.close();
    connection = undefined;
  }
  return undefined;
}

function failureOf(error: unknown): Failure {
  const raw = error instanceof StoreError ? error.cause : error;
  const { errno } = raw as { errno?: unknown };
  return { message: messageOf(raw), errno: typeof errno === "number" ? errno : undefined };
}
