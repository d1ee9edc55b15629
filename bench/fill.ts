// Many links in few transactions, each with its event: only to have them.

import type { Deadletter } from "../src/app/assemble.ts";
import { open } from "../src/app/open.ts";
import type { Config } from "../src/config/settings.ts";
import { linkFromRow } from "../src/model/link.ts";
import { mutate, record, type Work } from "../src/operations/core.ts";
import { createLogger } from "../src/runtime/logger.ts";
import { readCounters } from "../src/store/queries/events.ts";
import { insertLink } from "../src/store/queries/links.ts";

const AT_ONCE = 1_000;
const START_MS = 1_790_000_000_000;

/** A store with so many links, all in the log; filled where it has none. Throws where it has others. */
export async function fillStore(config: Config, count: number): Promise<void> {
  const deadletter = await open(config, { log: createLogger("error"), via: "bench" });
  const counters = await deadletter.core.store.read(readCounters);
  const there = counters.find(({ name }) => name === "links:active")?.value ?? 0;
  if (there === 0) await fillLinks(deadletter, count);
  else if (there !== count) throw new Error(`${config.dataDir} holds ${there} links, not ${count}`);
  const sequencer = deadletter.auditLog.createSequencer();
  while ((await sequencer.runBatch()).isMore);
  await sequencer.close();
  await deadletter.close();
}

/** Links `from`, `from + 1`, ... called c00000001 and so on. */
export async function fillLinks({ core, self }: Deadletter, count: number, from = 1): Promise<void> {
  for (let done = 0; done < count; done += AT_ONCE)
    await mutate(core, self, (work) => createSome(work, from + done, Math.min(AT_ONCE, count - done)), {
      deadlineMs: 60_000,
    });
}

function createSome(work: Work, first: number, count: number): Promise<unknown> {
  return Promise.all(
    Array.from({ length: count }, (_, at) => {
      const id = first + at;
      const row = {
        id,
        short_code: `c${String(id).padStart(8, "0")}`,
        original_url: `https://example.com/page/${id}`,
        title: "",
        is_active: 1,
        expires_at_ms: null,
        user_id: null,
        created_at_ms: START_MS + id,
        updated_at_ms: START_MS + id,
        version: 1,
      };
      const state = linkFromRow({ ...row, head: new Uint8Array() });
      const atMs = row.created_at_ms;
      const change = { type: "url", op: "created", row, state, atMs, previousHead: null, reason: null } as const;
      return record(work, { ...change, write: insertLink });
    }),
  );
}
