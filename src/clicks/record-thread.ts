// A thread that records clicks in the embedded store on a connection of its own. threaded-recorder.ts talks to it.

import { systemClock as clock } from "../runtime/clock.ts";
import { openSqlite } from "../store/sqlite.ts";
import { type Store, StoreError } from "../store/store.ts";
import { type ClickBatch, ClickRecorder } from "./click-recorder.ts";
import type { Answer, Question, RecorderOptions } from "./threaded-recorder.ts";

declare const self: Worker;

let opening: Promise<{ store: Store; recorder: ClickRecorder }> | undefined;

self.onmessage = async ({ data }: MessageEvent<Question>) => {
  if (data.kind === "open") {
    opening = open(data);
    // Who asks for a batch to be recorded is told.
    opening.catch(() => undefined);
    return;
  }
  if (data.kind === "record") {
    self.postMessage(await record(data.batch));
    return;
  }
  if (data.kind === "ready") {
    await opening?.catch(() => undefined);
    self.postMessage({ kind: "ready" } satisfies Answer);
    return;
  }
  const { store, recorder } = (await opening?.catch(() => undefined)) ?? {};
  if (data.kind === "busy") recorder?.setBusy(data.isBusy);
  if (data.kind === "hurry") recorder?.hurry(data.deadlineMs);
  if (data.kind === "close") {
    await store?.close();
    self.postMessage({ kind: "closed" } satisfies Answer);
  }
};

async function open({ path, deadlineMs, referrers }: RecorderOptions) {
  const store = await openSqlite(path, { deadlineMs, clock });
  return { store, recorder: new ClickRecorder(store, referrers, clock) };
}

async function record(batch: ClickBatch): Promise<Answer> {
  try {
    if (!opening) throw new Error("the store was not opened");
    const { recorder } = await opening;
    return { kind: "recorded", recorded: await recorder.record(batch) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: "failed", message, ...(error instanceof StoreError ? { store: error.kind } : {}) };
  }
}
