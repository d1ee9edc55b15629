// Links as they are changed, each change an event: shorten, update, delete, restore.

import { badRequest } from "../errors.ts";
import { isCode, isId } from "../model/code.ts";
import { DELETE_REASONS } from "../model/event.ts";
import { tagKey } from "../model/tags.ts";
import { systemClock } from "../runtime/clock.ts";
import { restoreFile } from "./backup.ts";
import { type Client, withClient } from "./client.ts";
import {
  CLIENT_SETTINGS,
  type Command,
  given,
  type Input,
  type Io,
  REASON,
  readInteger,
  readWait,
  WAIT,
} from "./command.ts";
import { OPTION_FLAGS, readOptions } from "./link-flags.ts";
import { nameOwner } from "./links.ts";
import { completeTarget, findUserId, onLink } from "./names.ts";
import { describeHeard, print, printDone } from "./output.ts";
import { readTime } from "./read-time.ts";
import {
  type ChangedLink,
  createLink,
  deleteLink,
  editLink,
  type LinkEdit,
  restoreLink,
  showLink,
} from "./requests.ts";
import { describeLink } from "./show-link.ts";
import { printable } from "./text.ts";

export const shortenCommand: Command = {
  name: "shorten",
  aliases: ["add"],
  summary: "Create a link. A target without a scheme is taken as https.",
  args: ["URL"],
  flags: [
    { name: "code", value: "CODE", help: "the short code; generated if omitted" },
    { name: "title", value: "TEXT", help: "a title to show people" },
    { name: "expires", value: "TIME", help: "the link answers 404 afterwards" },
    { name: "owner", value: "USER", help: "a name, an email or an id; by default the key's user", formerly: "user-id" },
    ...OPTION_FLAGS,
    { name: "find-existing", help: "answer your live link with the same target and options, if there is one" },
    { name: "qr", help: "also draw the short URL as a QR code, on a terminal" },
    { name: "copy", help: "also put the short URL onto the clipboard, by the terminal (OSC 52)" },
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter shorten https://example.com/a/long/page",
    "deadletter shorten example.com/sale --code sale --expires 7d --copy",
    "deadletter shorten https://example.com/winter --expires 2027-01-01 --json",
    "deadletter shorten 'https://tickets.example/{1}' --code t --forward template --tag support",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const [typed = ""] = input.args;
      const target = completeTarget(typed);
      if (target !== typed) input.note(`taken as ${target}`);
      const link = await createLink(client, {
        original_url: target,
        ...given("title", input.value("title")),
        ...given("short_code", input.value("code")),
        ...given("expires_at", await readTime(input, "expires", "ahead")),
        ...given("user_id", await findUserId(client, input.value("owner"))),
        ...(await readOptions(input)),
        ...(input.isOn("find-existing") ? { find_existing: true } : {}),
      });
      sayWarnings(input, link);
      print(io, input, link, () => `${printable(link.short_url)}\n`);
      await handOver(input, io, link.short_url);
    }),
};

/** To whoever looks at the terminal, beside the data. */
async function handOver(input: Input, io: Io, address: string): Promise<void> {
  if (input.isOn("qr") && !io.isErrTerminal) input.note("nothing was drawn: standard error is no terminal");
  else if (input.isOn("qr")) {
    const { drawQr } = await import("./qr.ts");
    io.err(drawQr(address));
  }
  if (!input.isOn("copy")) return;
  if (!io.isErrTerminal) return input.note("nothing was copied: standard error is no terminal");
  // OSC 52: the terminal itself sets the clipboard, also through SSH.
  io.err(`\u001b]52;c;${Buffer.from(address).toString("base64")}\u0007`);
  input.note("copied, where the terminal allows it");
}

export const updateCommand: Command = {
  name: "update",
  aliases: ["edit"],
  summary: "Change a link: its target, title, tags, times, owner, or how it redirects.",
  args: ["LINK"],
  flags: [
    { name: "url", value: "URL", help: "the new target; --target does as well", formerly: "target" },
    { name: "title", value: "TEXT", help: "the new title; an empty one removes it" },
    { name: "expires", value: "TIME", help: "the new expiry, or never" },
    ...OPTION_FLAGS,
    { name: "add-tag", value: "TAG", help: "beside those it has; may be repeated", isRepeatable: true },
    { name: "remove-tag", value: "TAG", help: "of those it has; may be repeated", isRepeatable: true },
    { name: "owner", value: "USER", help: "hand the link over; for its owner, or an admin" },
    { name: "if-version", value: "N", help: "only if the link is still at this version" },
    REASON,
    WAIT,
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    'deadletter update sale --url https://example.com/new --reason "page moved"',
    "deadletter update sale --expires never --if-version 3",
    "deadletter update sale --owner ada --add-tag spring",
  ],
  run: (input, io) =>
    withClient(input, (client) =>
      onLink(client, input.args[0] ?? "", async (name) => {
        const edit = await readEdit(client, input);
        const version = readInteger("if-version", input.value("if-version"));
        const moved = await moveTags(client, name, input, version);
        const changes = { ...edit, ...moved?.edit };
        if (Object.keys(changes).every((field) => field === "reason"))
          throw badRequest("nothing to change", "see what can be changed with: deadletter update --help");
        const link = await editLink(client, name, changes, {
          ...given("version", version ?? moved?.version),
          ...readWait(input),
        });
        sayWarnings(input, link);
        const shown = { ...link, ...(input.isJson ? {} : await nameOwner(client, link.user_id)) };
        printDone(io, input, link, () => `${describeLink(shown, systemClock.now())}${describeHeard(link.heard)}`);
      }),
    ),
};

async function readEdit(client: Client, input: Input): Promise<LinkEdit> {
  const url = input.value("url");
  const target = url === undefined ? undefined : completeTarget(url);
  if (target !== url) input.note(`taken as ${target}`);
  const expires = input.value("expires") === "never" ? null : await readTime(input, "expires", "ahead");
  return {
    ...given("original_url", target),
    ...given("title", input.value("title")),
    ...given("reason", input.value("reason")),
    ...given("expires_at", expires),
    ...given("user_id", await findUserId(client, input.value("owner"))),
    ...(await readOptions(input)),
  };
}

/** The tags that a link is to have beside or without some, and the version it has them at: another change meanwhile is refused. */
async function moveTags(client: Client, name: string, input: Input, version: number | undefined) {
  const [added, removed] = ["add-tag", "remove-tag"].map((flag) =>
    input.values(flag).flatMap((text) => text.split(",")),
  );
  if (!added || !removed || added.length + removed.length === 0) return undefined;
  if (input.values("tag").length > 0) throw badRequest("--tag replaces all tags: leave --add-tag and --remove-tag out");
  const link = await showLink(client, name);
  const gone = new Set(removed.map(tagKey));
  const both = added.find((tag) => gone.has(tagKey(tag)));
  if (both !== undefined) throw badRequest(`${JSON.stringify(both)} is both to be added and to be removed`);
  const tags = [...link.tags.filter((tag) => !gone.has(tagKey(tag))), ...added];
  return { edit: { tags }, version: version ?? link.version };
}

/** What should be heard before a link is given to people. */
function sayWarnings(input: Input, { warnings = [] }: ChangedLink): void {
  for (const warning of warnings) input.note(`warning: ${warning}`);
}

export const deleteCommand: Command = {
  name: "delete",
  aliases: ["rm"],
  summary: "Soft-delete a link: it answers 404, keeps its code and can be restored.",
  args: ["LINK"],
  flags: [
    {
      name: "reason",
      value: "REASON",
      help: `${DELETE_REASONS.join(", ")}; default user_requested`,
      choices: DELETE_REASONS,
    },
    WAIT,
  ],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter delete sale", "deadletter delete sale --reason policy_cleanup --wait 5"],
  run: (input, io) =>
    withClient(input, (client) =>
      onLink(client, input.args[0] ?? "", async (name) => {
        const link = await deleteLink(client, name, input.value("reason"), readWait(input));
        const undo = `undo with: deadletter restore ${link.short_code}`;
        printDone(io, input, link, () => `deleted ${link.short_code}; ${undo}\n${describeHeard(link.heard)}`);
      }),
    ),
};

export const restoreCommand: Command = {
  name: "restore",
  summary:
    "Bring a deleted link back; or, of a FILE (with a dot or a slash in its name), a backup of the embedded store.",
  args: ["LINK-OR-FILE"],
  flags: [
    REASON,
    WAIT,
    {
      name: "checkpoint",
      value: "FILE",
      help: "for a backup: a checkpoint saved elsewhere that the backup must not be behind",
    },
    { name: "allow-rollback", help: "for a backup: restore it even if a saved checkpoint is newer" },
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter restore sale",
    'deadletter restore sale --reason "deleted by mistake"',
    "DEADLETTER_LOG_KEY_FILE=log.key deadletter restore /mnt/backups/deadletter.db --data-dir ./restored",
  ],
  async run(input, io) {
    const [text = ""] = input.args;
    const isLink = isCode(text) || isId(text) || /^https?:\/\//i.test(text);
    if (!isLink && !/[./]/.test(text))
      throw badRequest(
        `${JSON.stringify(text)} is neither a code nor a file`,
        "a file has a dot or a slash in its name",
      );
    if (!isLink) return restoreFile(input, io, text);
    if (input.value("checkpoint") !== undefined || input.isOn("allow-rollback"))
      throw badRequest(`${text} is a link, not a backup`, `of a file in this directory: deadletter restore ./${text}`);
    return withClient(input, (client) =>
      onLink(client, text, async (name) => {
        const link = await restoreLink(client, name, input.value("reason"), readWait(input));
        printDone(io, input, link, () => `restored ${printable(link.short_url)}\n${describeHeard(link.heard)}`);
      }),
    );
  },
};
