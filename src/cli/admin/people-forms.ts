// What can be done with users and keys on the screen, as actions with their forms.

import { badRequest, DeadletterError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { checkKeyName, type Key } from "../../model/key.ts";
import { ROLES } from "../../model/role.ts";
import { checkEmail, checkUsername, type VisibleUser } from "../../model/user.ts";
import type { Client } from "../client.ts";
import { readTimeText } from "../read-time.ts";
import { collect } from "../requests.ts";
import { countOf } from "../text.ts";
import {
  createKey,
  createUser,
  deactivateUser,
  editUser,
  eraseUser,
  listUsers,
  restoreUser,
  revokeKey,
} from "../user-requests.ts";
import { askChoice, askReason, askText, askWhether, begin, showOnce, untilTaken } from "./ask.ts";
import type { Action, Screen } from "./tab.ts";

interface UserForm {
  readonly username: string;
  readonly email: string;
}

export function peopleActions(screen: Screen, user: VisibleUser | undefined, keys: readonly Key[]): readonly Action[] {
  const action = (key: string, name: string, run: () => Promise<string>): Action => ({
    ...(key === "" ? {} : { key }),
    name,
    needs: "admin",
    run: () => screen.form(run),
  });
  if (user === undefined) return [action("n", "New user", () => newUserForm(screen.client))];
  const live = keys.filter(({ revoked_at }) => revoked_at === null);
  return [
    action("n", "New user", () => newUserForm(screen.client)),
    action("e", "Edit user", () => editUserForm(screen.client, user)),
    ...(user.is_active
      ? [
          action("m", "Make a key", () => newKeyForm(screen.client, user)),
          action("d", "Deactivate", () => deactivateForm(screen.client, user)),
        ]
      : [action("a", "Activate", () => activateForm(screen.client, user))]),
    ...(live.length === 0 ? [] : [action("x", "Revoke key", () => revokeForm(screen.client, user, live))]),
    action("", "Erase this person for good", () => eraseForm(screen.client, user)),
  ];
}

function askUser(before: Partial<UserForm>) {
  return async (typed: Partial<UserForm>): Promise<UserForm> => ({
    username: await askText({
      message: "Username",
      initial: typed.username ?? before.username,
      isNeeded: true,
      check: checkUsername,
    }),
    email: await askText({ message: "Email", initial: typed.email ?? before.email, isNeeded: true, check: checkEmail }),
  });
}

async function newUserForm(client: Client): Promise<string> {
  begin("New user");
  const user = await untilTaken(askUser({}), (typed) => createUser(client, typed));
  return `created ${user.username}; m makes a key for it`;
}

async function editUserForm(client: Client, user: VisibleUser): Promise<string> {
  begin(`Edit ${user.username}`);
  const before = { username: user.username, email: user.email ?? "" };
  const changed = await untilTaken(askUser(before), (typed) => editUser(client, String(user.id), typed));
  return changed.version === user.version
    ? "nothing was changed"
    : `${changed.username} is now at version ${changed.version}`;
}

interface KeyForm {
  readonly role: (typeof ROLES)[number];
  readonly name: string;
  readonly expires: string;
}

async function newKeyForm(client: Client, user: VisibleUser): Promise<string> {
  begin(`New key for ${user.username}`);
  const ask = async (typed: Partial<KeyForm>): Promise<KeyForm> => ({
    role: await askChoice(
      "Role; each includes the ones before it",
      ROLES.map((value) => ({ value, label: value })),
      typed.role,
    ),
    name: await askText({
      message: "What is it for?",
      placeholder: "laptop",
      initial: typed.name,
      isNeeded: true,
      check: checkKeyName,
    }),
    expires: await askText({
      message: "Expires",
      placeholder: "never; or 90d",
      initial: typed.expires,
      check: (text) => readTimeText(text, "ahead"),
    }),
  });
  const key = await untilTaken(ask, async ({ role, name, expires }) => {
    const expires_at = expires === "" ? undefined : await readTimeText(expires, "ahead");
    const wanted = { role, name, ...(expires_at === undefined ? {} : { expires_at }) };
    return createKey(client, String(user.id), wanted).catch((error: unknown) => {
      // A key is shown once: what is asked again would make another one.
      if (error instanceof DeadletterError && error.code === "unavailable") return undefined;
      throw error;
    });
  });
  if (key === undefined) return "no answer came: look whether the key was made, revoke it with x, and make another";
  await showOnce("shown once, and kept nowhere; store it now", key.key);
  return `made key ${key.id} of ${user.username}, role ${key.role}`;
}

async function revokeForm(client: Client, user: VisibleUser, keys: readonly Key[]): Promise<string> {
  begin(`Revoke a key of ${user.username}`);
  const id = await askChoice(
    "Which key?",
    keys.map((key) => ({ value: String(key.id), label: `${key.id} ${key.name}`, hint: key.role })),
  );
  const reason = await askReason();
  await askWhether("Revoke it? It stops working at once, for good.");
  await revokeKey(client, String(user.id), id, reason);
  return `revoked key ${id} of ${user.username}`;
}

async function deactivateForm(client: Client, user: VisibleUser): Promise<string> {
  begin(`Deactivate ${user.username}`);
  const others = (await collect(listUsers(client, LIMITS.pageSizeMax))).filter(
    ({ id, is_active }) => is_active && id !== user.id,
  );
  const heir = await askChoice("What becomes of its links?", [
    { value: "", label: `they stay ${user.username}'s` },
    ...others.map(({ id, username }) => ({ value: String(id), label: `they go to ${username}` })),
  ]);
  const reason = await askReason();
  await askWhether(`Deactivate ${user.username}, and revoke all of its keys?`);
  const { links } = await deactivateUser(client, String(user.id), {
    ...(reason === undefined ? {} : { reason }),
    ...(heir === "" ? {} : { hand_over_to: Number(heir) }),
  });
  return `deactivated ${user.username}${heir === "" ? "" : `, and handed over ${countOf(links.handed_over)}`}`;
}

async function activateForm(client: Client, user: VisibleUser): Promise<string> {
  begin(`Activate ${user.username}`);
  const reason = await askReason();
  await restoreUser(client, String(user.id), reason);
  return `activated ${user.username}; its old keys stay revoked, m makes a new one`;
}

async function eraseForm(client: Client, user: VisibleUser): Promise<string> {
  begin(`Erase ${user.username}`);
  const { erased } = await eraseUser(client, String(user.id), { dry_run: true });
  const reason = await askReason();
  await askText({
    message: `This cannot be undone: who did ${erased.actors} events, and ${erased.states} states. Type ${user.username} to erase it`,
    isNeeded: true,
    check: (typed) => {
      if (typed !== user.username) throw badRequest(`that is not ${user.username}; Esc leaves all as it is`);
    },
  });
  await eraseUser(client, String(user.id), reason === undefined ? {} : { reason });
  return `erased ${user.username}`;
}
