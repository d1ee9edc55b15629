// events: reads the audit log, as a client of the API.

import { badRequest } from "../errors.ts";
import { EVENT_TYPES } from "../model/event.ts";
import { systemClock } from "../runtime/clock.ts";
import { type Client, withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, type Input } from "./command.ts";
import { followEvents } from "./follow.ts";
import { PAGED_FLAGS, printPages, readLimit } from "./listing.ts";
import { assertNames, findKeyIdIn } from "./names.ts";
import { readTime } from "./read-time.ts";
import { type EventFilter, listEvents } from "./requests.ts";
import { eventColumns } from "./show-event.ts";

export const eventsCommand: Command = {
  name: "events",
  summary: "Read the audit log, newest first.",
  args: [],
  flags: [
    { name: "code", value: "CODE", help: "only events of this link" },
    { name: "user", value: "USER", help: "only what this user did: a name, an email or an id", formerly: "user-id" },
    { name: "key-id", value: "KEY", help: "only what was done with this key: its id, or USER/NAME" },
    { name: "tag", value: "TAG", help: "only events of links that have this tag now" },
    { name: "type", value: "TYPE", help: EVENT_TYPES.join(", "), choices: EVENT_TYPES },
    {
      name: "request-id",
      value: "ID",
      help: "only what this request did (X-Request-Id, and log lines have it); without --since in the last 24 hours",
    },
    { name: "since", value: "TIME", help: "included" },
    { name: "until", value: "TIME", help: "excluded" },
    { name: "follow", help: "go on as events come into the log, oldest first, until interrupted" },
    ...PAGED_FLAGS,
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter events --code sale",
    "deadletter events --follow",
    "deadletter events --user ada --since 7d",
    "deadletter events --request-id 0b9d4a52-6d0e-4b5c-9a35-3b1c2f0f5b1e --since 2026-11-01",
    "deadletter events --type deleted --since 2026-11-01T00:00:00Z --limit 1000 --json",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const filter = await readFilter(client, input);
      if (input.isOn("follow")) {
        if (Object.keys(filter).length > 0)
          throw badRequest("--follow shows every event", "filter its lines, or its --ndjson with jq");
        return followEvents(client, { input, io });
      }
      const isBounded = input.value("request-id") !== undefined && input.value("since") === undefined;
      await printPages({ input, io }, () => listEvents(client, filter, readLimit(input)), {
        columns: eventColumns(systemClock.now()),
        empty: isBounded
          ? "no events of that request in the last 24 hours; use --since TIME for earlier ones"
          : "no events",
        // The API's lists are empty for names that there are not; a person has mistyped one.
        explainEmpty: () => assertNames(client, filter),
      });
    }),
};

async function readFilter(client: Client, input: Input): Promise<EventFilter> {
  const keyId = await findKeyIdIn(client, input.value("key-id"));
  return {
    ...given("short_code", input.value("code")),
    ...given("user", input.value("user")),
    ...given("key_id", keyId?.toString()),
    ...given("tag", input.value("tag")),
    ...given("event_type", input.value("type")),
    ...given("request_id", input.value("request-id")),
    ...given("since", await readTime(input, "since", "behind")),
    ...given("until", await readTime(input, "until", "behind")),
  };
}
