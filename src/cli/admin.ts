// admin: one full screen over the same requests as the scripted commands. Never without a terminal.

import { DeadletterError } from "../errors.ts";
import { AdminApp } from "./admin/app.ts";
import { EventsTab } from "./admin/events-tab.ts";
import { HealthTab } from "./admin/health-tab.ts";
import { IncidentsTab } from "./admin/incidents-tab.ts";
import { LinksTab } from "./admin/links-tab.ts";
import { LogTab } from "./admin/log-tab.ts";
import { PeopleTab } from "./admin/people-tab.ts";
import { connect } from "./client.ts";
import { CLIENT_SETTINGS, type Command } from "./command.ts";
import { printable } from "./text.ts";
import { whoAmI } from "./user-requests.ts";

export const adminCommand: Command = {
  name: "admin",
  summary:
    "A full screen to live in: links with live search and history, events as they happen, people and keys, incidents, the log, health. Ctrl-C leaves.",
  args: [],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter admin",
    "deadletter admin --profile prod",
    "DEADLETTER_KEY_FILE=~/.deadletter.key deadletter admin --server https://links.internal",
  ],
  async run(input) {
    if (!input.mayAsk)
      throw new DeadletterError("bad_request", "admin needs a terminal on standard input and output", {
        hint: "in scripts use list, show, shorten, update, delete, restore, users and keys",
      });
    const client = await connect(input.config);
    try {
      const { user, role } = await whoAmI(client);
      const who = user === null ? role : `${user.username} (${role})`;
      return await new AdminApp({
        client,
        role,
        place: printable(`${who} on ${input.config.server?.replace(/^https?:\/\//, "") ?? "this host"}`),
        tabs: (screen) => [
          new LinksTab(screen),
          new EventsTab(screen),
          new PeopleTab(screen),
          new IncidentsTab(screen),
          new LogTab(screen),
          new HealthTab(screen),
        ],
      }).run();
    } finally {
      await client.close();
    }
  },
};
