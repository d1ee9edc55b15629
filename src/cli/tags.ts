// Tags in a terminal: which there are, and one that takes another's place.

import pc from "picocolors";
import { withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, REASON } from "./command.ts";
import { PAGED_FLAGS, printPages, readLimit } from "./listing.ts";
import { printDone, progress } from "./output.ts";
import { listTags, renameTag } from "./requests.ts";
import { printable, thousands } from "./text.ts";

export const tagsListCommand: Command = {
  name: "tags list",
  summary: "List tags by name, with how many links bear each.",
  args: [],
  flags: PAGED_FLAGS,
  settings: CLIENT_SETTINGS,
  examples: ["deadletter tags list", "deadletter tags list --limit 500 --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      await printPages({ input, io }, () => listTags(client, readLimit(input)), {
        columns: [
          { name: "tag", value: ({ tag }) => tag, least: 12, paint: () => pc.cyan },
          { name: "links", value: ({ links }) => links, shown: ({ links }) => thousands(links), align: "right" },
        ],
        empty: "no tags; give a link one with: deadletter update CODE --add-tag TAG",
      });
    }),
};

export const tagsRenameCommand: Command = {
  name: "tags rename",
  summary: "Rename a tag on every link that bears it, with an event each; --merge puts it under one that is there.",
  args: ["FROM", "TO"],
  flags: [
    { name: "merge", help: "links may bear TO already; also to go on after an interruption" },
    { name: "dry-run", help: "only count the links" },
    REASON,
  ],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter tags rename sale sales --dry-run", "deadletter tags rename sale sales --merge"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const [from = "", to = ""] = input.args;
      const asked = { from, to, ...given("reason", input.value("reason")) };
      const shown = progress(io, "links");
      let changed = 0;
      for (let merge = input.isOn("merge"); ; merge = true) {
        const part = await renameTag(client, { ...asked, merge, dry_run: input.isOn("dry-run") });
        changed += part.changed;
        if (!input.isOn("dry-run")) shown.update(changed, changed + part.left);
        if (part.left > 0 && part.changed > 0) continue;
        shown.end();
        const said = input.isOn("dry-run")
          ? `would rename ${from} to ${to} on ${part.left} links; nothing was changed\n`
          : `renamed ${from} to ${to} on ${changed} links\n`;
        printDone(io, input, { ...part, changed }, () => `${printable(said.trimEnd())}\n`);
        return;
      }
    }),
};
