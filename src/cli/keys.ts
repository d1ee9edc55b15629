// Commands about API keys, as clients of the API.

import { badRequest } from "../errors.ts";
import { ROLES, type Role } from "../model/role.ts";
import { withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, REASON } from "./command.ts";
import { print, printable, table } from "./output.ts";
import { createKey, listKeys, revokeKey } from "./requests.ts";

export const keysCreateCommand: Command = {
  name: "keys create",
  summary: "Create an API key for a user and print it, once.",
  args: ["USER-ID"],
  flags: [
    { name: "role", value: "ROLE", help: `${ROLES.join(", ")}; each includes the ones before it` },
    { name: "name", value: "TEXT", help: "what the key is for; default: key" },
    { name: "expires", value: "TIME", help: "RFC 3339; never by default" },
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
