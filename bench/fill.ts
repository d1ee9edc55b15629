// Many links in few transactions, each with its event: only to have them.

import type { Deadletter } from "../src/app/assemble.ts";
import { open } from "../src/app/open.ts";
import type { Config } from "../src/config/settings.ts";
import { transact } from "../src/operations/apply.ts";
import { createLogger } from "../src/runtime/logger.ts";
import { readCounters } from "../src/store/queries/events.ts";

const AT_ONCE = 1_000;

/** A store with so many links, all in the log; filled where it has none. Throws where it has others. */
export async function fillStore(config: Config, count: number): Promise<void> {
  const deadletter = await open(config, { log: createLogger("error"), via: "bench" });
  const counters = await deadletter.core.store.read(readCounters);
  const there = counters.find(({ name }) => name === "links:active")?.value ?? 0;
  if (there === 0) await fillLinks(deadletter, count);
  else if (there !== count) throw new Error(`${config.dataDir} holds ${there} links, not ${count}`);
  const sequencer = deadletter.auditLog.createSequencer();
  while ((await sequencer.runBatch()).isMore);
  sequencer.flush();
  await deadletter.close();
}

/** Links called c00000001 and so on, from `from`. */
export async function fillLinks({ core, self }: Deadletter, count: number, from = 1): Promise<void> {
  for (let done = 0; done < count; done += AT_ONCE) {
    const commands = Array.from({ length: Math.min(AT_ONCE, count - done) }, (_, at) => commandFor(from + done + at));
    await transact(core, self, ({ apply }) => apply(commands), { deadlineMs: 60_000 });
  }
}

function commandFor(number: number) {
  const short_code = `c${String(number).padStart(8, "0")}`;
  return { type: "link.create", short_code, original_url: `https://example.com/page/${number}` } as const;
}
