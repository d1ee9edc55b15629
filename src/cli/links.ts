// The everyday commands about links, as clients of the API: shorten, list, show, update, delete, restore.

import { badRequest } from "../errors.ts";
import { isCode, isId } from "../model/code.ts";
import { DELETE_REASONS } from "../model/event.ts";
import { tagKey } from "../model/tags.ts";
import { CLICK_GROUPS } from "../operations/clicks.ts";
import { restoreFile } from "./backup.ts";
import { type Client, withClient } from "./client.ts";
import {
  CLIENT_SETTINGS,
  type Command,
  given,
  type Input,
  LIMIT,
  REASON,
  readInteger,
  readLimit,
  readWait,
  WAIT,
} from "./command.ts";
import { OPTION_FLAGS, readOptions } from "./link-flags.ts";
import { describeHeard, describeLink, eventTable, linkTable, print, printable, table } from "./output.ts";
import {
  assertNames,
  type ChangedLink,
  countClicks,
  createLink,
  deleteLink,
  editLink,
  type LinkEdit,
  listLinks,
  restoreLink,
  showLink,
  showLinkAt,
} from "./requests.ts";

export const shortenCommand: Command = {
  name: "shorten",
  summary: "Create a link.",
  args: ["URL"],
  flags: [
    { name: "code", value: "CODE", help: "the short code; generated if omitted" },
    { name: "title", value: "TEXT", help: "a title to show people" },
    { name: "expires", value: "TIME", help: "RFC 3339; the link answers 404 afterwards" },
    { name: "user-id", value: "ID", help: "the owner; by default the key's user" },
    ...OPTION_FLAGS,
    { name: "find-existing", help: "answer your live link with the same target and options, if there is one" },
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter shorten https://example.com/a/long/page",
    "deadletter shorten https://example.com/sale --code sale --expires 2027-01-01T00:00:00Z --json",
    "deadletter shorten 'https://tickets.example/{1}' --code t --forward template --tag support",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const link = await createLink(client, {
        original_url: input.args[0] ?? "",
        ...given("title", input.value("title")),
        ...given("short_code", input.value("code")),
        ...given("expires_at", input.value("expires")),
        ...given("user_id", readInteger("user-id", input.value("user-id"))),
        ...readOptions(input),
        ...(input.isOn("find-existing") ? { find_existing: true } : {}),
      });
      sayWarnings(input, link);
      print(io, input.isJson, link, () => `${link.short_url}\n`);
    }),
};

export const listCommand: Command = {
  name: "list",
  summary: "List links, newest first.",
  args: [],
  flags: [
    { name: "search", value: "TEXT", help: "only links whose code, target or title contains this" },
    { name: "user-id", value: "ID", help: "only links of this owner" },
    {
      name: "tag",
      value: "TAG",
      help: "only links with this tag; may be repeated: with all of them",
      isRepeatable: true,
    },
    { name: "active", help: "only active links (--no-active: only inactive ones)" },
    LIMIT,
  ],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter list --limit 20", "deadletter list --search example.com --no-active --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const filter = {
        ...given("q", input.value("search")),
        ...given("user_id", input.value("user-id")),
        ...given("is_active", input.value("active")),
        ...given("tag", readTags(input)),
      };
      const links = await listLinks(client, filter, readLimit(input));
      // The API's lists are empty for names that there are not; a person has mistyped one.
      if (links.length === 0) await assertNames(client, filter);
      print(io, input.isJson, links, () => linkTable(links));
    }),
};

export const showCommand: Command = {
  name: "show",
  summary: "Show a link with its history, or as it stood at a time.",
  args: ["CODE-OR-ID"],
  flags: [{ name: "at", value: "TIME", help: "RFC 3339: the link as it stood then" }],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter show sale", "deadletter show sale --at 2026-11-01T00:00:00Z --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const [name = ""] = input.args;
      const at = input.value("at");
      if (at !== undefined) {
        const link = await showLinkAt(client, name, at);
        print(io, input.isJson, link, () => describeLink(link));
        return;
      }
      const link = await showLink(client, name);
      print(
        io,
        input.isJson,
        link,
        () => `${describeLink(link)}clicks     ${link.clicks ?? 0}\n\n${eventTable(link.events ?? [])}`,
      );
    }),
};

export const updateCommand: Command = {
  name: "update",
  summary: "Change a link: its target, title, tags, times, owner, or how it redirects.",
  args: ["CODE-OR-ID"],
  flags: [
    { name: "url", value: "URL", help: "the new target" },
    { name: "title", value: "TEXT", help: "the new title; an empty one removes it" },
    { name: "expires", value: "TIME", help: "the new expiry, RFC 3339, or never" },
    ...OPTION_FLAGS,
    { name: "add-tag", value: "TAG", help: "beside those it has; may be repeated", isRepeatable: true },
    { name: "remove-tag", value: "TAG", help: "of those it has; may be repeated", isRepeatable: true },
    { name: "owner", value: "USER-ID", help: "hand the link over; for its owner, or an admin" },
    { name: "if-version", value: "N", help: "only if the link is still at this version" },
    REASON,
    WAIT,
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    'deadletter update sale --url https://example.com/new --reason "page moved"',
    "deadletter update sale --expires never --if-version 3",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const expires = input.value("expires");
      const edit: LinkEdit = {
        ...given("original_url", input.value("url")),
        ...given("title", input.value("title")),
        ...given("reason", input.value("reason")),
        ...given("expires_at", expires === "never" ? null : expires),
        ...given("user_id", readInteger("owner", input.value("owner"))),
        ...readOptions(input),
      };
      const [name = ""] = input.args;
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
      print(io, input.isJson, link, () => `${describeLink(link)}${describeHeard(link.heard)}`);
    }),
};

/** Of a filter; undefined where none was given. */
function readTags(input: Input): string | undefined {
  const tags = input.values("tag");
  if (tags.includes("")) throw badRequest("--tag: must not be empty");
  return tags.length === 0 ? undefined : tags.join(",");
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
  summary: "Soft-delete a link: it answers 404, keeps its code and can be restored.",
  args: ["CODE-OR-ID"],
  flags: [{ name: "reason", value: "REASON", help: `${DELETE_REASONS.join(", ")}; default user_requested` }, WAIT],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter delete sale", "deadletter delete sale --reason policy_cleanup --wait 5"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const link = await deleteLink(client, input.args[0] ?? "", input.value("reason"), readWait(input));
      print(
        io,
        input.isJson,
        link,
        () =>
          `deleted ${link.short_code}; undo with: deadletter restore ${link.short_code}\n${describeHeard(link.heard)}`,
      );
    }),
};

export const restoreCommand: Command = {
  name: "restore",
  summary:
    "Bring a deleted link back; or, of a FILE (with a dot or a slash in its name), a backup of the embedded store.",
  args: ["CODE-OR-ID-OR-FILE"],
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
    const [name = ""] = input.args;
    if (!isCode(name) && !isId(name)) return restoreFile(input, io, name);
    if (input.value("checkpoint") !== undefined || input.isOn("allow-rollback"))
      throw badRequest(`${name} is a link, not a backup`, `of a file in this directory: deadletter restore ./${name}`);
    return withClient(input, async (client) => {
      const link = await restoreLink(client, name, input.value("reason"), readWait(input));
      print(io, input.isJson, link, () => `restored ${link.short_url}\n${describeHeard(link.heard)}`);
    });
  },
};

export const clicksCommand: Command = {
  name: "clicks",
  summary:
    "Count how often a link was followed, by day, hour, referrer or device. Bots, prefetches and HEADs are told apart.",
  args: ["CODE-OR-ID"],
  flags: [
    { name: "by", value: "GROUP", help: `${CLICK_GROUPS.join(", ")}; default day` },
    { name: "from", value: "TIME", help: "RFC 3339, included; by default 30 days before --to" },
    { name: "to", value: "TIME", help: "RFC 3339, excluded; by default now" },
  ],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter clicks sale", "deadletter clicks sale --by referrer --from 2026-11-01T00:00:00Z --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const query = {
        ...given("by", input.value("by")),
        ...given("from", input.value("from")),
        ...given("to", input.value("to")),
      };
      const report = await countClicks(client, input.args[0] ?? "", query);
      const rows = report.rows.map(({ key, clicks, bots, prefetches, heads }) => [
        printable(key) || "-",
        ...[clicks, bots, prefetches, heads].map(String),
      ]);
      const header = [report.by.toUpperCase(), "CLICKS", "BOTS", "PREFETCHES", "HEADS"];
      print(io, input.isJson, report, () =>
        [
          rows.length === 0 ? "no clicks\n" : table(header, rows),
          ...(report.imported === 0 ? [] : [`imported with the link: ${report.imported} clicks\n`]),
        ].join(""),
      );
    }),
};
