// The form in which a tag is renamed on every link that has it.

import { log } from "@clack/prompts";
import { LIMITS } from "../../limits.ts";
import { checkTag } from "../../model/tags.ts";
import type { Client } from "../client.ts";
import { collect, listTags, renameTag } from "../requests.ts";
import { countOf } from "../text.ts";
import { askChoice, askText, askWhether, begin } from "./ask.ts";

export async function renameTagForm(client: Client): Promise<string> {
  const tags = await collect(listTags(client, LIMITS.pageSizeMax));
  if (tags.length === 0) return "no link has a tag";
  begin("Rename a tag");
  const from = await askChoice(
    "Which tag?",
    tags.map(({ tag, links }) => ({ value: tag, label: tag, hint: countOf(links) })),
  );
  const to = await askText({ message: "Its new name", initial: from, isNeeded: true, check: checkTag });
  const planned = await renameTag(client, { from, to, merge: true, dry_run: true });
  await askWhether(`Rename ${from} to ${to} on ${countOf(planned.left)}, with an event each?`);
  let changed = 0;
  for (;;) {
    const part = await renameTag(client, { from, to, merge: true });
    changed += part.changed;
    if (part.left === 0 || part.changed === 0) return `renamed ${from} to ${to} on ${countOf(changed)}`;
    log.step(`${countOf(changed)}, ${countOf(part.left)} left`);
  }
}
