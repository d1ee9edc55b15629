// What can be done with links on the screen, as actions with their forms.

import type { ListedLink } from "../../http/links.ts";
import { LIMITS } from "../../limits.ts";
import { DELETE_REASONS } from "../../model/event.ts";
import type { Role } from "../../model/role.ts";
import { hostOf } from "../../model/target.ts";
import { systemClock } from "../../runtime/clock.ts";
import { collect, deleteLink, listTags, restoreLink, revertLink, showLink } from "../requests.ts";
import { changeLines, changesOf } from "../show-event.ts";
import { listUsers } from "../user-requests.ts";
import { relativeTime } from "../when.ts";
import { askChoice, askReason, askWhether, begin, Cancelled } from "./ask.ts";
import { takeDownForm } from "./incident-forms.ts";
import { createForm, editForm, handOverForm } from "./link-forms.ts";
import type { Action, Screen } from "./tab.ts";
import { renameTagForm } from "./tag-forms.ts";

interface Place {
  /** The one that is chosen. */
  readonly link: ListedLink | undefined;
  readonly onMade: (id: number) => void;
  readonly setTag: (tag: string | undefined) => void;
  readonly setOwner: (owner: { readonly id: number; readonly name: string } | undefined) => void;
}

export function linkActions(screen: Screen, { link, onMade, setTag, setOwner }: Place): readonly Action[] {
  const { client } = screen;
  const form = (key: string, name: string, run: () => Promise<string>, needs: Role = "creator"): Action => ({
    ...(key === "" ? {} : { key }),
    name,
    needs,
    run: () => screen.form(run),
  });
  const ofLink: readonly Action[] =
    link === undefined
      ? []
      : link.is_active
        ? [
            form("e", "Edit", () => editForm(client, link.short_code)),
            form("d", "Delete", () => deleteForm(screen, link)),
            form("", "Hand over to another user", () => handOverForm(client, link)),
            form("v", "Revert", () => revertForm(screen, link)),
          ]
        : [form("u", "Restore", () => restoreForm(screen, link)), form("v", "Revert", () => revertForm(screen, link))];
  const host = link === undefined ? null : hostOf(link.original_url);
  return [
    form("n", "New link", () => createForm(client, onMade)),
    ...ofLink,
    ...(host === null
      ? []
      : [
          form(
            "t",
            "Take down links to its host",
            () => takeDownForm(client, () => {}, { kind: "host_suffix", what: host }),
            "editor",
          ),
        ]),
    form("", "Filter by tag", () => chooseTag(screen, setTag), "reader"),
    form("", "Filter by owner", () => chooseOwner(screen, setOwner), "reader"),
    form("", "Rename a tag", () => renameTagForm(client), "editor"),
  ];
}

async function deleteForm({ client }: Screen, link: ListedLink): Promise<string> {
  begin(`Delete ${link.short_code}`);
  const reason = await askChoice(
    "Why?",
    DELETE_REASONS.filter((each) => each !== "incident").map((value) => ({ value, label: value.replaceAll("_", " ") })),
  );
  await askWhether(`Delete ${link.short_code}? It will answer 404, and can be restored.`);
  await deleteLink(client, link.short_code, reason, { version: (await showLink(client, link.short_code)).version });
  return `deleted ${link.short_code}; u restores it`;
}

async function restoreForm({ client }: Screen, link: ListedLink): Promise<string> {
  begin(`Restore ${link.short_code}`);
  const reason = await askReason();
  const restored = await restoreLink(client, link.short_code, reason);
  return `restored ${restored.short_url}`;
}

async function revertForm({ client }: Screen, { short_code }: ListedLink): Promise<string> {
  const link = await showLink(client, short_code);
  const events = [...(link.events ?? [])].reverse().filter(({ version }) => version < link.version);
  if (events.length === 0) return `${short_code} has no earlier version`;
  begin(`Revert ${short_code}`);
  const nowMs = systemClock.now();
  const to = await askChoice(
    "To which version?",
    events.map((event) => ({
      value: String(event.version),
      label: `${event.version}: ${event.event_type} by ${event.actor_name ?? "(erased)"} ${relativeTime(event.timestamp, nowMs)}`,
      hint: Bun.stripANSI(changeLines(changesOf(event)).join("; ")).slice(0, 60),
    })),
  );
  const reason = await askReason();
  const reverted = await revertLink(
    client,
    short_code,
    { to_version: Number(to), ...(reason === undefined ? {} : { reason }) },
    { version: link.version },
  );
  return `${short_code} is as it was at version ${to}, as version ${reverted.version}`;
}

async function chooseTag({ client }: Screen, setTag: Place["setTag"]): Promise<string> {
  const tags = await collect(listTags(client, LIMITS.pageSizeMax));
  if (tags.length === 0) return "no link has a tag";
  begin("Only links with a tag");
  const tag = await askChoice(
    "Which tag?",
    tags.map(({ tag: value, links }) => ({ value, label: value, hint: `${links} links` })),
  );
  setTag(tag);
  return `only links with the tag ${tag}; Esc shows all`;
}

async function chooseOwner({ client }: Screen, setOwner: Place["setOwner"]): Promise<string> {
  const users = await collect(listUsers(client, LIMITS.pageSizeMax));
  begin("Only links of a user");
  const id = await askChoice(
    "Whose?",
    users.map((user) => ({ value: String(user.id), label: user.username, hint: user.email ?? "" })),
  );
  const name = users.find((user) => String(user.id) === id)?.username;
  if (name === undefined) throw new Cancelled();
  setOwner({ id: Number(id), name });
  return `only links of ${name}; Esc shows all`;
}
