// log follow: events in log order, as they come into the log. At least once each: who stops and starts again says from where.

import { badRequest, DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { LogEntry } from "../model/event.ts";
import { sleep, systemClock } from "../runtime/clock.ts";
import { type Client, withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, type Input, type Io } from "./command.ts";
import { isRead } from "./listing.ts";
import { readLogEntries, readLogStatus } from "./requests.ts";
import { eventLine } from "./show-event.ts";

export const followCommand: Command = {
  name: "log follow",
  summary:
    "Print events in log order, from an index on, and go on as they come: one line each, with --json one JSON object.",
  args: [],
  flags: [
    {
      name: "from",
      value: "N",
      help: "index of the first entry, default 0; to resume, the last one seen plus 1",
    },
    { name: "once", help: "stop at the current end of the log" },
  ],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter log follow --from 1000", "deadletter log follow --json --once | jq -r .subject"],
  async run(input, io) {
    const text = input.value("from") ?? "0";
    if (!/^\d{1,15}$/.test(text)) throw badRequest("--from: must be an index: 0 or more");
    const show = input.isJson ? (entry: LogEntry) => `${JSON.stringify(entry)}\n` : describe;
    const options = { from: Number(text), isOnce: input.isOn("once"), show };
    return withClient(input, (client) => follow(client, io, options));
  },
};

/** Every event that comes into the log from now on. */
export async function followEvents(
  client: Client,
  { input, io }: { readonly input: Input; readonly io: Io },
): Promise<void> {
  const { size } = await readLogStatus(client);
  const isJson = input.isJson || input.isOn("ndjson");
  const show = isJson
    ? (entry: LogEntry) => `${JSON.stringify(entry)}\n`
    : (entry: LogEntry) => `${eventLine(entry).join("  ")}\n`;
  await follow(client, io, { from: size, isOnce: false, show });
}

async function follow(
  client: Client,
  io: Io,
  options: { readonly from: number; readonly isOnce: boolean; readonly show: (entry: LogEntry) => string },
): Promise<void> {
  const { isOnce, show } = options;
  let { from } = options;
  let isDown = false;
  for (;;) {
    let entries: LogEntry[];
    try {
      entries = await readLogEntries(client, from, LIMITS.followPageRows, isOnce ? 0 : LIMITS.feedWaitS);
    } catch (error) {
      const isPassing = error instanceof DeadletterError && error.code === "unavailable";
      if (!isPassing || isOnce) throw error;
      if (!isDown) io.aside(`deadletter: ${error.message}; trying again until it answers\n`);
      isDown = true;
      await sleep(systemClock, LIMITS.sequencerRetryMs);
      continue;
    }
    isDown = false;
    for (const entry of entries) io.out(show(entry));
    // A follower without a reader has nothing left to do.
    if (entries.length > 0 && !(await isRead(io))) return;
    // A server that does not let anybody wait (it is stopping, say) must not be asked in a hurry.
    if (entries.length === 0 && !isOnce) await sleep(systemClock, LIMITS.sequencerPollMs);
    from = (entries.at(-1)?.index ?? from - 1) + 1;
    if (isOnce && entries.length < LIMITS.followPageRows) return;
  }
}

function describe(entry: LogEntry): string {
  return `${String(entry.index).padStart(8)}  ${eventLine(entry).join("  ")}\n`;
}
