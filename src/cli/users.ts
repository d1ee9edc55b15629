// Commands about users and their keys, as clients of the API.

import { badRequest } from "../errors.ts";
import { ROLES, type Role } from "../model/key.ts";
import { FIRST_ADMIN } from "../operations/bootstrap.ts";
import { CLIENT_SETTINGS, type Command, type Flag } from "./command.ts";
import { given, readLimit, withClient } from "./links.ts";
import { print, printable, table } from "./output.ts";
import { createKey, createUser, deactivateUser, listKeys, listUsers, revokeKey } from "./requests.ts";

const REASON: Flag = { name: "reason", value: "TEXT", help: "why; it is kept in the audit log" };

export const usersCreateCommand: Command = {
  name: "users create",
  summary: "Create a user; with --admin also its first key, of role admin.",
  args: [],
  flags: [
    { name: "username", value: "NAME", help: `letters, digits, . _ -; default with --admin: ${FIRST_ADMIN.username}` },
    { name: "email", value: "ADDRESS", help: `default with --admin: ${FIRST_ADMIN.email}` },
    { name: "admin", help: "make a key of role admin for the user and print it, once" },
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
        const isAdmin = input.isSet("admin");
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
  flags: [{ name: "limit", value: "N", help: "how many at the most, default 50" }],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter users list", "deadletter users list --limit 500 --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const users = await listUsers(client, readLimit(input));
      const rows = users.map((user) => [
        String(user.id),
        user.username,
        user.email,
        user.is_active ? "active" : "inactive",
        user.created_at,
      ]);
      print(io, input.isJson, users, () => table(["ID", "USERNAME", "EMAIL", "STATE", "CREATED"], rows));
    }),
};

export const usersDeactivateCommand: Command = {
  name: "users deactivate",
  summary: "Deactivate a user and revoke all of its keys. Links and history stay.",
  args: ["USER-ID"],
  flags: [REASON],
  settings: CLIENT_SETTINGS,
  examples: ['deadletter users deactivate 7 --reason "left the company"'],
  run: (input, io) =>
    withClient(input, async (client) => {
      const user = await deactivateUser(client, input.args[0] ?? "", input.value("reason"));
      print(io, input.isJson, user, () => `deactivated user ${user.id} (${user.username}) and revoked its keys\n`);
    }),
};

export const keysCreateCommand: Command = {
  name: "keys create",
  summary: "Make an API key for a user and print it, once.",
  args: ["USER-ID"],
  flags: [
    { name: "role", value: "ROLE", help: `${ROLES.join(", ")}; each may do all the ones before it may` },
    { name: "name", value: "TEXT", help: "what the key is for, default key" },
    { name: "expires", value: "TIME", help: "RFC 3339; by default it does not" },
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter keys create 1 --role creator --name ci",
    "deadletter keys create 1 --role reader --expires 2027-01-01T00:00:00Z --json",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const role = input.value("role");
      if (!(ROLES as readonly (string | undefined)[]).includes(role))
        throw badRequest(`--role: must be one of ${ROLES.join(", ")}`);
      const key = await createKey(client, input.args[0] ?? "", {
        name: input.value("name") ?? "key",
        role: role as Role,
        ...given("expires_at", input.value("expires")),
      });
      print(
        io,
        input.isJson,
        key,
        () => `key ${key.id} of user ${key.user_id}, role ${key.role}, shown once:\n\n  ${key.key}\n`,
      );
    }),
};

export const keysListCommand: Command = {
  name: "keys list",
  summary: "List a user's keys. Their secrets are not kept, so they cannot be shown.",
  args: ["USER-ID"],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter keys list 1", "deadletter keys list 1 --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const keys = await listKeys(client, input.args[0] ?? "");
      const rows = keys.map((key) => [
        String(key.id),
        printable(key.name),
        key.role,
        key.revoked_at === null ? (key.expires_at === null ? "live" : `until ${key.expires_at}`) : "revoked",
        key.created_at,
      ]);
      print(io, input.isJson, keys, () => table(["ID", "NAME", "ROLE", "STATE", "CREATED"], rows));
    }),
};

export const keysRevokeCommand: Command = {
  name: "keys revoke",
  summary: "Revoke a key: it stops working at once.",
  args: ["USER-ID", "KEY-ID"],
  flags: [REASON],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter keys revoke 1 3 --reason leaked"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const key = await revokeKey(client, input.args[0] ?? "", input.args[1] ?? "", input.value("reason"));
      print(io, input.isJson, key, () => `revoked key ${key.id} of user ${key.user_id}\n`);
    }),
};
