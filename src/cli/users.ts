// Commands about users, as clients of the API.

import pc from "picocolors";
import { badRequest } from "../errors.ts";
import { isId } from "../model/code.ts";
import type { VisibleUser } from "../model/user.ts";
import { FIRST_ADMIN } from "../operations/bootstrap.ts";
import { systemClock } from "../runtime/clock.ts";
import { withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, REASON } from "./command.ts";
import { PAGED_FLAGS, printPages, readLimit, tableOf } from "./listing.ts";
import { findUserId, onUser } from "./names.ts";
import { confirmed, print, printDone } from "./output.ts";
import { linkColumns } from "./show-link.ts";
import { type Column, facts } from "./table.ts";
import { countOf, printable } from "./text.ts";
import {
  createKey,
  createUser,
  deactivateUser,
  editUser,
  eraseUser,
  listUsers,
  restoreUser,
  showUser,
} from "./user-requests.ts";
import { exactAndRelative, relativeTime } from "./when.ts";

export const usersCreateCommand: Command = {
  name: "users create",
  summary: "Create a user; with --admin, also its first key, with role admin.",
  args: [],
  flags: [
    { name: "username", value: "NAME", help: `letters, digits, . _ -; default with --admin: ${FIRST_ADMIN.username}` },
    { name: "email", value: "ADDRESS", help: `default with --admin: ${FIRST_ADMIN.email}` },
    { name: "admin", help: "also create a key with role admin and print it, once" },
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter users create --admin",
    "deadletter users create --username ada --email ada@example.com",
    "deadletter users create --username ops --email ops@example.com --admin --json",
  ],
  run: (input, io) =>
    withClient(
      input,
      async (client) => {
        const isAdmin = input.isOn("admin");
        const username = input.value("username") ?? (isAdmin ? FIRST_ADMIN.username : undefined);
        const email =
          input.value("email") ?? (isAdmin && input.value("username") === undefined ? FIRST_ADMIN.email : undefined);
        if (username === undefined || email === undefined)
          throw badRequest("--username and --email are both needed", "see: deadletter users create --help");
        const user = await createUser(client, { username, email });
        if (!isAdmin) {
          print(
            io,
            input,
            user,
            () =>
              `created user ${user.id} (${user.username}); give it a key with: deadletter keys create ${nameFor(user)} --role creator\n`,
          );
          return;
        }
        const key = await createKey(client, String(user.id), { name: "first key", role: "admin" });
        print(
          io,
          input,
          { ...user, key },
          () => `created user ${user.id} (${user.username}) with this admin key, shown once:\n\n  ${key.key}\n`,
        );
      },
      { mayCreate: true },
    ),
};

export const USER_COLUMNS: readonly Column<VisibleUser>[] = [
  { name: "id", value: ({ id }) => id, align: "right" },
  { name: "username", value: ({ username }) => username, least: 12, paint: () => pc.bold },
  { name: "email", value: ({ email }) => email ?? "", shown: ({ email }) => email ?? "-", least: 14, rank: 1 },
  { name: "state", value: stateOf, paint: ({ is_active }) => (is_active ? pc.green : pc.red) },
  {
    name: "created",
    value: ({ created_at }) => created_at,
    shown: ({ created_at }, nowMs) => relativeTime(created_at, nowMs),
    paint: () => pc.dim,
    rank: 2,
  },
  { name: "version", value: ({ version }) => version, isExtra: true, align: "right" },
];

/** As commands take it: an id where the name would read as one. */
function nameFor({ id, username }: Pick<VisibleUser, "id" | "username">): string {
  return isId(username) ? String(id) : username;
}

function stateOf({ is_active }: Pick<VisibleUser, "is_active">): string {
  return is_active ? "active" : "inactive";
}

export const usersListCommand: Command = {
  name: "users list",
  summary: "List users, oldest first.",
  args: [],
  flags: PAGED_FLAGS,
  settings: CLIENT_SETTINGS,
  examples: ["deadletter users list", "deadletter users list --limit 500 --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const listing = { columns: USER_COLUMNS, empty: "no users; create one with: deadletter users create --admin" };
      await printPages({ input, io }, () => listUsers(client, readLimit(input)), listing);
    }),
};

export const usersShowCommand: Command = {
  name: "users show",
  summary: "Show a user with the newest of its links.",
  args: ["USER"],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter users show ada", "deadletter users show 7 --json"],
  run: (input, io) =>
    withClient(input, (client) =>
      onUser(client, input.args[0] ?? "", async (name) => {
        const user = await showUser(client, name);
        const nowMs = systemClock.now();
        print(io, input, user, () => {
          const rows: [string, string][] = [
            ["username", printable(user.username)],
            ["email", printable(user.email ?? "-")],
            ["state", user.is_active ? pc.green("active") : pc.red("inactive")],
            ["id", `${user.id}, version ${user.version}`],
            ["created", exactAndRelative(user.created_at, nowMs)],
            ["updated", exactAndRelative(user.updated_at, nowMs)],
          ];
          // What the user's own page does not have of its links.
          const columns = linkColumns(nowMs).filter((column) => !["owner", "clicks"].includes(column.name));
          return `${facts(rows)}\n${user.urls.length === 0 ? "no links\n" : tableOf(io, columns, user.urls)}`;
        });
      }),
    ),
};

export const usersUpdateCommand: Command = {
  name: "users update",
  summary: "Change a user's name or email.",
  args: ["USER"],
  flags: [
    { name: "username", value: "NAME", help: "letters, digits, . _ -" },
    { name: "email", value: "ADDRESS", help: "compared without case" },
    REASON,
  ],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter users update 7 --email ada@example.org"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const edit = {
        ...given("username", input.value("username")),
        ...given("email", input.value("email")),
        ...given("reason", input.value("reason")),
      };
      if (edit.username === undefined && edit.email === undefined)
        throw badRequest("nothing to change", "name at least one of --username, --email");
      const user = await onUser(client, input.args[0] ?? "", (name) => editUser(client, name, edit));
      printDone(io, input, user, () => `user ${user.id} is ${user.username} (${user.email})\n`);
    }),
};

export const usersDeactivateCommand: Command = {
  name: "users deactivate",
  summary: "Deactivate a user and revoke all of its keys. History stays; links stay, or go to another user.",
  args: ["USER"],
  flags: [{ name: "hand-over-to", value: "USER", help: "the user who is given all links first" }, REASON],
  settings: CLIENT_SETTINGS,
  examples: [
    'deadletter users deactivate 7 --reason "left the company"',
    "deadletter users deactivate bob --hand-over-to ada",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const to = await findUserId(client, input.value("hand-over-to"));
      const options = { ...given("reason", input.value("reason")), ...given("hand_over_to", to) };
      const user = await onUser(client, input.args[0] ?? "", (name) => deactivateUser(client, name, options));
      printDone(io, input, user, () => {
        const { kept, is_more, handed_over } = user.links;
        const links =
          to === undefined
            ? `it still owns ${is_more ? `${kept} or more links` : countOf(kept)}`
            : `user ${to} has its ${countOf(handed_over)}`;
        return `deactivated user ${user.id} (${user.username}) and revoked its keys; ${links}\n`;
      });
    }),
};

export const usersActivateCommand: Command = {
  name: "users activate",
  summary: "Reactivate a user. Its keys stay revoked; create a new one.",
  args: ["USER"],
  flags: [REASON],
  settings: CLIENT_SETTINGS,
  examples: ['deadletter users activate 7 --reason "back from leave"'],
  run: (input, io) =>
    withClient(input, async (client) => {
      const reason = input.value("reason");
      const user = await onUser(client, input.args[0] ?? "", (name) => restoreUser(client, name, reason));
      const next = `make it a key with: deadletter keys create ${nameFor(user)} --role editor`;
      printDone(io, input, user, () => `activated user ${user.id} (${user.username}); ${next}\n`);
    }),
};

export const eraseCommand: Command = {
  name: "erase",
  summary:
    "Erase a person from the history, for good: name, email, and what they did. An event says so; proofs still verify.",
  args: ["USER"],
  flags: [{ name: "yes", help: "do not ask" }, { name: "dry-run", help: "only show what would be erased" }, REASON],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter erase ada --dry-run", 'deadletter erase 7 --yes --reason "request of 2026-11-20"'],
  run(input, io) {
    const isDryRun = input.isOn("dry-run");
    const name = input.args[0] ?? "";
    if (!isDryRun && !input.isOn("yes") && !input.mayAsk)
      throw badRequest(
        "an erasure cannot be undone: --yes is needed",
        `see what it would erase with: deadletter erase ${name} --dry-run`,
      );
    return withClient(input, async (client) => {
      const ask = (dry_run: boolean) =>
        onUser(client, name, (user) => eraseUser(client, user, { ...given("reason", input.value("reason")), dry_run }));
      const countsOf = ({ user, erased }: Awaited<ReturnType<typeof ask>>) =>
        `who did ${erased.actors} events, and ${erased.states} states of user ${user.id}`;
      if (!isDryRun && !input.isOn("yes")) {
        const planned = await ask(true);
        await confirmed(`Erase ${countsOf(planned)} (${planned.user.username}), for good?`);
      }
      const report = await ask(isDryRun);
      printDone(io, input, report, () =>
        isDryRun
          ? `would erase ${countsOf(report)} (${report.user.username}); nothing was changed\n`
          : `erased ${countsOf(report)}, now called ${report.user.username}\n`,
      );
    });
  },
};
