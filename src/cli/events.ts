// events: reads the audit log, as a client of the API.

import { EVENT_TYPES } from "../model/event.ts";
import { withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, LIMIT, readLimit } from "./command.ts";
import { eventTable, print } from "./output.ts";
import { assertNames, listEvents } from "./requests.ts";

export const eventsCommand: Command = {
  name: "events",
  summary: "Read the audit log, newest first.",
  args: [],
  flags: [
    { name: "code", value: "CODE", help: "only events of this link" },
    { name: "user-id", value: "ID", help: "only what this user did" },
    { name: "user", value: "NAME", help: "the same by name or email" },
    { name: "key-id", value: "ID", help: "only what was done with this key" },
    { name: "tag", value: "TAG", help: "only events of links that have this tag now" },
    { name: "type", value: "TYPE", help: EVENT_TYPES.join(", ") },
    {
      name: "request-id",
      value: "ID",
      help: "only what this request did (X-Request-Id, and log lines have it); without --since in the last 24 hours",
    },
    { name: "since", value: "TIME", help: "RFC 3339, included" },
    { name: "until", value: "TIME", help: "RFC 3339, excluded" },
    LIMIT,
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter events --code sale",
    "deadletter events --request-id 0b9d4a52-6d0e-4b5c-9a35-3b1c2f0f5b1e --since 2026-11-01T00:00:00Z",
    "deadletter events --type deleted --since 2026-11-01T00:00:00Z --limit 1000 --json",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const filter = {
        ...given("short_code", input.value("code")),
        ...given("user_id", input.value("user-id")),
        ...given("user", input.value("user")),
        ...given("key_id", input.value("key-id")),
        ...given("tag", input.value("tag")),
        ...given("event_type", input.value("type")),
        ...given("request_id", input.value("request-id")),
        ...given("since", input.value("since")),
        ...given("until", input.value("until")),
      };
      const events = await listEvents(client, filter, readLimit(input));
      // The API's lists are empty for names that there are not; a person has mistyped one.
      if (events.length === 0) await assertNames(client, filter);
      const isBounded = input.value("request-id") !== undefined && input.value("since") === undefined;
      print(io, input.isJson, events, () =>
        events.length === 0 && isBounded
          ? "no events of that request in the last 24 hours; use --since TIME for earlier ones\n"
          : eventTable(events),
      );
    }),
};
