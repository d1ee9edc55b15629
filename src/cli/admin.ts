// admin: a screen for people, made of the same requests as the scripted commands. Never prompts without a terminal.

import { autocomplete, cancel, confirm, intro, isCancel, log, note, outro, select, text } from "@clack/prompts";
import { DeadletterError } from "../errors.ts";
import type { LinkWithHistory } from "../http/links.ts";
import { DELETE_REASONS } from "../model/event.ts";
import { ROLES, type Role } from "../model/role.ts";
import { systemClock } from "../runtime/clock.ts";
import { type Client, connect } from "./client.ts";
import { CLIENT_SETTINGS, type Command } from "./command.ts";
import {
  collect,
  createKey,
  createLink,
  deleteLink,
  editLink,
  type LinkEdit,
  listLinks,
  listUsers,
  restoreLink,
  showLink,
} from "./requests.ts";
import { describeLink } from "./show-link.ts";
import { printable } from "./text.ts";

const FOUND_MAX = 100;
const USERS_MAX = 500;

export const adminCommand: Command = {
  name: "admin",
  summary: "A terminal screen: find, create, show, edit, delete and restore links, make keys.",
  args: [],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter admin",
    "DEADLETTER_KEY_FILE=~/.deadletter.key deadletter admin --server https://links.internal",
  ],
  async run(input, io) {
    if (!io.isInteractive)
      throw new DeadletterError("bad_request", "admin needs a terminal on standard input and output", {
        hint: "in scripts use shorten, list, show, update, delete, restore, users and keys",
      });
    const client = await connect(input.config);
    try {
      intro("deadletter admin");
      await mainMenu(client);
      outro("bye");
      return 0;
    } finally {
      await client.close();
    }
  },
};

/** Thrown when a person presses Escape or Ctrl-C in a prompt: back to the menu, or out of it. */
class Cancelled extends Error {}

async function mainMenu(client: Client): Promise<void> {
  for (;;) {
    const choice = await select({
      message: "What next?",
      options: [
        { value: "find", label: "Find a link" },
        { value: "create", label: "Create a link" },
        { value: "key", label: "Make a key" },
        { value: "quit", label: "Quit" },
      ],
    });
    if (isCancel(choice) || choice === "quit") return;
    await attempt(async () => {
      if (choice === "find") await findScreen(client);
      if (choice === "create") await createScreen(client);
      if (choice === "key") await keyScreen(client);
    });
  }
}

/** Shows a refusal instead of leaving the screen; everything else is a defect and is thrown on. */
async function attempt(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (error instanceof Cancelled) cancel("cancelled; nothing was changed");
    else if (error instanceof DeadletterError) log.error(printable(error.message));
    else throw error;
  }
}

async function findScreen(client: Client): Promise<void> {
  const search = await ask("Search in code, target and title", { placeholder: "leave empty for the newest" });
  const links = await collect(listLinks(client, search === "" ? {} : { q: search }, FOUND_MAX));
  if (links.length === 0) {
    log.info("no link matches");
    return;
  }
  const code = await chosen(
    autocomplete({
      message: "Which one?",
      maxItems: 10,
      options: links.map((link) => ({
        value: link.short_code,
        label: `${link.short_code}${link.is_active ? "" : " (inactive)"}`,
        hint: printable(link.title === "" ? link.original_url : `${link.title}: ${link.original_url}`).slice(0, 80),
      })),
    }),
  );
  await linkScreen(client, code);
}

async function linkScreen(client: Client, code: string): Promise<void> {
  const link = await showLink(client, code);
  showInFull(link);
  const action = await chosen(
    select({
      message: `What about ${code}?`,
      options: link.is_active
        ? [
            { value: "edit", label: "Edit" },
            { value: "delete", label: "Delete" },
            { value: "back", label: "Back" },
          ]
        : [
            { value: "restore", label: "Restore" },
            { value: "back", label: "Back" },
          ],
    }),
  );
  if (action === "edit") await editScreen(client, link);
  if (action === "delete") await deleteScreen(client, link);
  if (action === "restore") {
    const restored = await restoreLink(client, code, await askReason());
    log.success(`restored ${restored.short_url}`);
  }
}

function showInFull(link: LinkWithHistory): void {
  note(`${describeLink(link, systemClock.now())}clicks     ${link.clicks ?? 0}`, link.short_code);
}

async function createScreen(client: Client): Promise<void> {
  const original_url = await ask("Target", { placeholder: "https://example.com/page", isRequired: true });
  const short_code = await ask("Short code", { placeholder: "leave empty to have one generated" });
  const title = await ask("Title", { placeholder: "optional" });
  const link = await createLink(client, {
    original_url,
    ...(short_code === "" ? {} : { short_code }),
    ...(title === "" ? {} : { title }),
  });
  log.success(`created ${link.short_url}`);
}

async function editScreen(client: Client, link: LinkWithHistory): Promise<void> {
  const edit: LinkEdit = {};
  const original_url = await ask("Target", { initial: link.original_url, isRequired: true });
  const title = await ask("Title", { initial: link.title });
  const expires = await ask("Expires (RFC 3339, empty for never)", { initial: link.expires_at ?? "" });
  if (original_url !== link.original_url) edit.original_url = original_url;
  if (title !== link.title) edit.title = title;
  if (expires !== (link.expires_at ?? "")) edit.expires_at = expires === "" ? null : expires;
  if (Object.keys(edit).length === 0) {
    log.info("nothing was changed");
    return;
  }
  const reason = await askReason();
  // The version that was shown is the one that is edited: a change by somebody else in between is refused, not lost.
  const changed = await editLink(
    client,
    link.short_code,
    { ...edit, ...(reason === undefined ? {} : { reason }) },
    { version: link.version },
  );
  log.success(`${changed.short_code} is now at version ${changed.version}`);
}

async function deleteScreen(client: Client, link: LinkWithHistory): Promise<void> {
  const reason = await chosen(
    select({ message: "Why?", options: DELETE_REASONS.map((value) => ({ value: value as string, label: value })) }),
  );
  if (!(await chosen(confirm({ message: `Delete ${link.short_code}? It will answer 404.`, initialValue: false }))))
    throw new Cancelled();
  await deleteLink(client, link.short_code, reason);
  log.success(`deleted ${link.short_code}; it can be restored`);
}

async function keyScreen(client: Client): Promise<void> {
  const users = (await collect(listUsers(client, USERS_MAX))).filter((user) => user.is_active);
  const userId = await chosen(
    autocomplete({
      message: "For whom?",
      maxItems: 10,
      options: users.map((user) => ({ value: String(user.id), label: user.username, hint: user.email ?? "" })),
    }),
  );
  const role = await chosen(
    select({ message: "Role", options: ROLES.map((value) => ({ value: value as string, label: value })) }),
  );
  const name = await ask("What is the key for?", { isRequired: true });
  const key = await createKey(client, userId, { name, role: role as Role });
  note(key.key, "shown once; store it now");
}

async function askReason(): Promise<string | undefined> {
  const reason = await ask("Reason", { placeholder: "optional; kept in the audit log" });
  return reason === "" ? undefined : reason;
}

async function ask(
  message: string,
  options: { placeholder?: string; initial?: string; isRequired?: boolean } = {},
): Promise<string> {
  const answer = await chosen(
    text({
      message,
      ...(options.placeholder === undefined ? {} : { placeholder: options.placeholder }),
      ...(options.initial === undefined ? {} : { initialValue: options.initial }),
      validate: (value) => (options.isRequired && (value ?? "").trim() === "" ? "this is needed" : undefined),
    }),
  );
  // An empty answer is undefined to the library.
  return ((answer as string | undefined) ?? "").trim();
}

async function chosen<Value>(prompt: Promise<Value>): Promise<Exclude<Value, symbol>> {
  const answer = await prompt;
  if (isCancel(answer)) throw new Cancelled();
  return answer as Exclude<Value, symbol>;
}
