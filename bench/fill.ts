// Many links in few transactions, each with its event: only to have them.

import type { Deadletter } from "../src/deadletter.ts";
import { linkFromRow } from "../src/model/url.ts";
import { mutate, record, type Work } from "../src/operations/core.ts";
import { insertLink } from "../src/store/queries/urls.ts";

const AT_ONCE = 1_000;
const START_MS = 1_790_000_000_000;

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
