// Commands about users, as clients of the API.

import { badRequest } from "../errors.ts";
import { FIRST_ADMIN } from "../operations/bootstrap.ts";
import { withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, LIMIT, REASON, readInteger, readLimit } from "./command.ts";
import { linkTable, print, printable, table } from "./output.ts";
import {
  createKey,
  createUser,
  deactivateUser,
  editUser,
  eraseUser,
  listUsers,
  restoreUser,
  showUser,
} from "./requests.ts";

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
            input.isJson,
            user,
            () =>
              `created user ${user.id} (${user.username}); give it a key with: deadletter keys create ${user.id} --role creator\n`,
          );
          return;
        }
        const key = await createKey(client, String(user.id), { name: "first key", role: "admin" });
        print(
          io,
          input.isJson,
          { ...user, key },
          () => `created user ${user.id} (${user.username}) with this admin key, shown once:\n\n  ${key.key}\n`,
        );
      },
      { mayCreate: true },
    ),
};

export const usersListCommand: Command = {
  name: "users list",
  summary: "List users, oldest first.",
  args: [],
  flags: [LIMIT],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter users list", "deadletter users list --limit 500 --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const users = await listUsers(client, readLimit(input));
      const rows = users.map((user) => [
        String(user.id),
        user.username,
        user.email ?? "-",
        user.is_active ? "active" : "inactive",
        user.created_at,
      ]);
      print(io, input.isJson, users, () => table(["ID", "USERNAME", "EMAIL", "STATE", "CREATED"], rows));
    }),
};

export const usersShowCommand: Command = {
  name: "users show",
  summary: "Show a user with the newest of its links.",
  args: ["USER-ID"],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter users show 7", "deadletter users show 7 --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const user = await showUser(client, input.args[0] ?? "");
      const rows = [
        ["username", user.username],
        ["email", user.email ?? "-"],
        ["state", user.is_active ? "active" : "inactive"],
        ["id", `${user.id}, version ${user.version}`],
        ["created", user.created_at],
        ["updated", user.updated_at],
      ];
      const facts = rows.map(([name = "", value = ""]) => `${name.padEnd(10)} ${printable(value)}\n`).join("");
      print(io, input.isJson, user, () => `${facts}\n${linkTable(user.urls)}`);
    }),
};

export const usersUpdateCommand: Command = {
  name: "users update",
  summary: "Change a user's name or email.",
  args: ["USER-ID"],
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
      const user = await editUser(client, input.args[0] ?? "", edit);
      print(io, input.isJson, user, () => `user ${user.id} is ${user.username} (${user.email})\n`);
    }),
};

export const usersDeactivateCommand: Command = {
  name: "users deactivate",
  summary: "Deactivate a user and revoke all of its keys. History stays; links stay, or go to another user.",
  args: ["USER-ID"],
  flags: [{ name: "hand-over-to", value: "USER-ID", help: "the user who is given all links first" }, REASON],
  settings: CLIENT_SETTINGS,
  examples: [
    'deadletter users deactivate 7 --reason "left the company"',
    "deadletter users deactivate 7 --hand-over-to 3",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const to = readInteger("hand-over-to", input.value("hand-over-to"));
      const options = { ...given("reason", input.value("reason")), ...given("hand_over_to", to) };
      const user = await deactivateUser(client, input.args[0] ?? "", options);
      print(io, input.isJson, user, () => {
        const { kept, is_more, handed_over } = user.links;
        const links =
          to === undefined
            ? `it still owns ${kept}${is_more ? " or more" : ""} links`
            : `user ${to} has its ${handed_over} links`;
        return `deactivated user ${user.id} (${user.username}) and revoked its keys; ${links}\n`;
      });
    }),
};

export const usersActivateCommand: Command = {
  name: "users activate",
  summary: "Reactivate a user. Its keys stay revoked; create a new one.",
  args: ["USER-ID"],
  flags: [REASON],
  settings: CLIENT_SETTINGS,
  examples: ['deadletter users activate 7 --reason "back from leave"'],
  run: (input, io) =>
    withClient(input, async (client) => {
      const user = await restoreUser(client, input.args[0] ?? "", input.value("reason"));
      const next = `make it a key with: deadletter keys create ${user.id} --role editor`;
      print(io, input.isJson, user, () => `activated user ${user.id} (${user.username}); ${next}\n`);
    }),
};

export const eraseCommand: Command = {
  name: "erase",
  summary:
    "Erase a person from the history, for good: name, email, and what they did. An event says so; proofs still verify.",
  args: ["USER-ID"],
  flags: [
    { name: "yes", help: "confirm the erasure" },
    { name: "dry-run", help: "only show what would be erased" },
    REASON,
  ],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter erase 7 --dry-run", 'deadletter erase 7 --yes --reason "request of 2026-11-20"'],
  run(input, io) {
    const isDryRun = input.isOn("dry-run");
    const id = input.args[0] ?? "";
    if (!isDryRun && !input.isOn("yes"))
      throw badRequest(
        "an erasure cannot be undone: --yes is needed",
        `see what it would erase with: deadletter erase ${id} --dry-run`,
      );
    return withClient(input, async (client) => {
      const options = { ...given("reason", input.value("reason")), dry_run: isDryRun };
      const report = await eraseUser(client, id, options);
      const { user, erased } = report;
      const counts = `who did ${erased.actors} events, and ${erased.states} states of user ${user.id}`;
      print(io, input.isJson, report, () =>
        isDryRun
          ? `would erase ${counts} (${user.username}); nothing was changed\n`
          : `erased ${counts}, now called ${user.username}\n`,
      );
    });
  },
};
