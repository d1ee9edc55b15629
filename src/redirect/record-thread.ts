// A thread that records clicks in the embedded store on a connection of its own. threaded-recorder.ts talks to it.

import { openSqlite } from "../store/sqlite.ts";
import { StoreError } from "../store/store.ts";
import { ClickRecorder } from "./click-recorder.ts";
import type { Answer, Question } from "./threaded-recorder.ts";

declare const self: Worker;

let recorder: ClickRecorder | undefined;
let close = () => Promise.resolve();

self.onmessage = async ({ data }: MessageEvent<Question>) => {
  switch (data.kind) {
    case "open": {
      const store = await openSqlite(data.path, { deadlineMs: data.deadlineMs });
      recorder = new ClickRecorder(store);
      close = () => store.close();
      return;
    }
    case "record":
      answer(await record(data));
      return;
    case "hurry":
      recorder?.hurry(data.deadlineMs);
      return;
    case "close":
      await close();
      answer({ kind: "closed" });
  }
};

async function record({ batch }: Extract<Question, { kind: "record" }>): Promise<Answer> {
  try {
    if (!recorder) throw new Error("the store is not open");
    return { kind: "recorded", recorded: await recorder.record(batch) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: "failed", message, ...(error instanceof StoreError ? { store: error.kind } : {}) };
  }
}

function answer(message: Answer): void {
  self.postMessage(message);
}
