// Links as they are read: lists of them, one in full, its history, and the way to it in a browser.

import { badRequest, messageOf } from "../errors.ts";
import type { Event } from "../model/event.ts";
import { systemClock } from "../runtime/clock.ts";
import { dailyClicks } from "./clicks.ts";
import { type Client, withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, type Input, type Io, wordOrFlag } from "./command.ts";
import { PAGED_FLAGS, printPages, readLimit, tableOf } from "./listing.ts";
import { assertNames, findUserId, onLink } from "./names.ts";
import { print } from "./output.ts";
import { readTime } from "./read-time.ts";
import { explainCode, type LinkFilter, listHistory, listLinks, showLink, showLinkAt } from "./requests.ts";
import { eventColumns } from "./show-event.ts";
import { describeLink, linkColumns } from "./show-link.ts";
import { printable, sparkline, thousands } from "./text.ts";
import { showUser, whoAmI } from "./user-requests.ts";

export const listCommand: Command = {
  name: "list",
  aliases: ["ls"],
  summary: "List links, newest first; with TEXT those whose code, target or title contains it.",
  args: ["[TEXT]"],
  flags: [
    { name: "search", value: "TEXT", help: "the same as TEXT" },
    { name: "mine", help: "only your own links" },
    { name: "owner", value: "USER", help: "only links of this user: a name, an email or an id", formerly: "user-id" },
    {
      name: "tag",
      value: "TAG",
      help: "only links with this tag; may be repeated: with all of them",
      isRepeatable: true,
    },
    { name: "active", help: "only active links (--no-active: only inactive ones)" },
    ...PAGED_FLAGS,
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter list --limit 20",
    "deadletter list --owner ada --tag spring",
    "deadletter list example.com --no-active --json",
    "deadletter list --mine",
    "deadletter list --all --columns code,target | grep evil",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const filter = await readFilter(client, input);
      await printPages({ input, io }, () => listLinks(client, filter, readLimit(input)), {
        columns: linkColumns(systemClock.now()),
        empty:
          Object.keys(filter).length > 0
            ? "no link matches"
            : "no links; make one with: deadletter shorten https://example.com/",
        // The API's lists are empty for names that there are not; a person has mistyped one.
        explainEmpty: () => assertNames(client, filter),
      });
    }),
};

async function readFilter(client: Client, input: Input): Promise<LinkFilter> {
  const tags = input.values("tag");
  if (tags.includes("")) throw badRequest("--tag: must not be empty");
  if (input.isOn("mine") && input.value("owner") !== undefined)
    throw badRequest("--mine and --owner say two things: leave one out");
  const owner = input.isOn("mine") ? await ownId(client) : await findUserId(client, input.value("owner"));
  return {
    ...given("q", wordOrFlag(input, 0, "search")),
    ...given("user_id", owner?.toString()),
    ...given("is_active", input.value("active")),
    ...(tags.length === 0 ? {} : { tag: tags.join(",") }),
  };
}

async function ownId(client: Client): Promise<number> {
  const { user } = await whoAmI(client);
  if (user === null) throw badRequest("--mine: you work on the store itself, as no user", "name one with --owner");
  return user.id;
}

export const showCommand: Command = {
  name: "show",
  summary: "Show a link with its history, or as it stood at a time.",
  args: ["LINK"],
  flags: [{ name: "at", value: "TIME", help: "the link as it stood then" }],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter show sale",
    "deadletter show http://127.0.0.1:5000/sale",
    "deadletter show sale --at 2026-11-01T00:00:00Z --json",
  ],
  run: (input, io) =>
    withClient(input, (client) =>
      onLink(client, input.args[0] ?? "", async (name) => {
        const at = await readTime(input, "at", "behind");
        if (at !== undefined) {
          const link = await showLinkAt(client, name, at);
          print(io, input, link, () => describeLink(link, systemClock.now()));
          return;
        }
        const link = await showLink(client, name);
        if (input.isJson) return print(io, input, link, () => "");
        const owner = await nameOwner(client, link.user_id);
        const days = io.width === undefined ? [] : await dailyClicks(client, name);
        const spark = days.some((clicks) => clicks > 0) ? `  ${sparkline(days)} in ${days.length} days` : "";
        io.out(describeLink({ ...link, ...owner }, systemClock.now()));
        io.out(`clicks     ${thousands(link.clicks ?? 0)}${spark}\n\n`);
        io.out(showHistory(io, [...(link.events ?? [])].reverse()));
        const first = link.events?.[0]?.version ?? 1;
        if (first > 1) input.note(`${first - 1} older events: deadletter history ${link.short_code} --all`);
      }),
    ),
};

/** The owner's name, where whoever asks may read users. */
export async function nameOwner(client: Client, userId: number | null): Promise<{ owner?: string }> {
  if (userId === null) return {};
  return showUser(client, String(userId)).then(
    ({ username }) => ({ owner: username }),
    () => ({}),
  );
}

function showHistory(io: Io, events: readonly Event[]): string {
  const columns = eventColumns(systemClock.now()).filter(({ name }) => name !== "what");
  return tableOf(
    io,
    [{ name: "v", value: ({ version }: Event) => version, align: "right" as const }, ...columns],
    events,
  );
}

export const historyCommand: Command = {
  name: "history",
  summary: "List everything that ever happened to a link, oldest first.",
  args: ["LINK"],
  flags: PAGED_FLAGS,
  settings: CLIENT_SETTINGS,
  examples: ["deadletter history sale", "deadletter history sale --all --ndjson"],
  run: (input, io) =>
    withClient(input, (client) =>
      onLink(client, input.args[0] ?? "", async (name) => {
        const columns = eventColumns(systemClock.now());
        const [version] = columns.filter((column) => column.name === "version");
        const listing = {
          columns: [
            ...(version ? [{ ...version, isExtra: false, rank: 1 }] : []),
            ...columns.filter((each) => each !== version),
          ],
          empty: "no events",
        };
        await printPages({ input, io }, () => listHistory(client, name, readLimit(input)), listing);
      }),
    ),
};

export const openCommand: Command = {
  name: "open",
  summary: "Open a link's target in the browser, or with --print only say it. It is not counted as a click.",
  args: ["LINK"],
  flags: [{ name: "print", help: "print the target, and open nothing" }],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter open sale", "deadletter open sale --print"],
  run: (input, io) =>
    withClient(input, (client) =>
      onLink(client, input.args[0] ?? "", async (name) => {
        const { original_url, short_code, is_active } = await showLink(client, name);
        if (!is_active) {
          const { why } = await explainCode(client, short_code);
          input.note(`warning: ${short_code} does not redirect: ${why}`);
        }
        const isOpened = !input.isOn("print") && !input.isJson && io.isInteractive && openInBrowser(original_url);
        print(io, input, { short_code, target: original_url, opened: isOpened }, () => `${printable(original_url)}\n`);
      }),
    ),
};

/** Whether there is a program that opens addresses. The address is one word: no shell reads it. */
function openInBrowser(address: string): boolean {
  const [program] = ["xdg-open", "open"].filter((name) => Bun.which(name) !== null);
  if (program === undefined) return false;
  try {
    Bun.spawn([program, new URL(address).href], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }).unref();
    return true;
  } catch (error) {
    throw badRequest(`cannot start ${program}: ${messageOf(error)}`);
  }
}
