// Commands about API keys, as clients of the API.

import pc from "picocolors";
import { badRequest } from "../errors.ts";
import type { Key } from "../model/key.ts";
import { ROLES, type Role } from "../model/role.ts";
import { systemClock } from "../runtime/clock.ts";
import { withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, REASON } from "./command.ts";
import { LIST_FLAGS, printRows } from "./listing.ts";
import { findKeyId, onUser } from "./names.ts";
import { print, printDone } from "./output.ts";
import { readTime } from "./read-time.ts";
import type { Column } from "./table.ts";
import { createKey, listKeys, revokeKey } from "./user-requests.ts";
import { relativeTime } from "./when.ts";

export const keysCreateCommand: Command = {
  name: "keys create",
  summary: "Create an API key for a user and print it, once.",
  args: ["USER"],
  flags: [
    { name: "role", value: "ROLE", help: `${ROLES.join(", ")}; each includes the ones before it`, choices: ROLES },
    { name: "name", value: "TEXT", help: "what the key is for; default: key" },
    { name: "expires", value: "TIME", help: "never by default" },
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter keys create ada --role creator --name laptop --expires 90d",
    "deadletter keys create 1 --role reader --expires 2027-01-01T00:00:00Z --json",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const role = input.value("role");
      if (!(ROLES as readonly (string | undefined)[]).includes(role))
        throw badRequest(`--role: must be one of ${ROLES.join(", ")}`);
      const wanted = {
        name: input.value("name") ?? "key",
        role: role as Role,
        ...given("expires_at", await readTime(input, "expires", "ahead")),
      };
      const key = await onUser(client, input.args[0] ?? "", (name) => createKey(client, name, wanted));
      print(
        io,
        input,
        key,
        () => `key ${key.id} of user ${key.user_id}, role ${key.role}, shown once:\n\n  ${key.key}\n`,
      );
    }),
};

export function keyState({ revoked_at, expires_at }: Key, nowMs: number): string {
  if (revoked_at !== null) return "revoked";
  if (expires_at === null) return "live";
  return Date.parse(expires_at) <= nowMs ? "expired" : "live";
}

function keyColumns(nowMs: number): readonly Column<Key>[] {
  const state = (key: Key) => keyState(key, nowMs);
  return [
    { name: "id", value: ({ id }) => id, align: "right" },
    { name: "name", value: ({ name }) => name, least: 10, paint: () => pc.bold },
    { name: "role", value: ({ role }) => role },
    { name: "state", value: state, paint: (key) => (state(key) === "live" ? pc.green : pc.red) },
    {
      name: "expires",
      value: ({ expires_at }) => expires_at ?? "",
      shown: ({ expires_at }) => (expires_at === null ? "never" : relativeTime(expires_at, nowMs)),
      rank: 1,
    },
    {
      name: "created",
      value: ({ created_at }) => created_at,
      shown: ({ created_at }) => relativeTime(created_at, nowMs),
      paint: () => pc.dim,
      rank: 2,
    },
  ];
}

export const keysListCommand: Command = {
  name: "keys list",
  summary: "List a user's keys. Their secrets are not kept, so they cannot be shown.",
  args: ["USER"],
  flags: LIST_FLAGS,
  settings: CLIENT_SETTINGS,
  examples: ["deadletter keys list ada", "deadletter keys list 1 --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const user = input.args[0] ?? "";
      const keys = await onUser(client, user, (name) => listKeys(client, name));
      const empty = `${user} has no keys; create one with: deadletter keys create ${user} --role creator`;
      await printRows({ input, io }, keys, { columns: keyColumns(systemClock.now()), empty });
    }),
};

export const keysRevokeCommand: Command = {
  name: "keys revoke",
  summary: "Revoke a key: it stops working at once.",
  args: ["USER", "KEY"],
  flags: [REASON],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter keys revoke ada laptop --reason leaked", "deadletter keys revoke 1 3"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const [user = "", name = ""] = input.args;
      const id = await findKeyId(client, user, name);
      const key = await onUser(client, user, () => revokeKey(client, user, String(id), input.value("reason")));
      printDone(io, input, key, () => `revoked key ${key.id} of user ${key.user_id}\n`);
    }),
};
