// How a link is shown: as a row of a list, and in full. Pure, but for colours.

import pc from "picocolors";
import type { ListedLink } from "../http/links.ts";
import type { ShownLink } from "../http/shown-link.ts";
import { type Column, facts, type Paint } from "./table.ts";
import { printable, thousands } from "./text.ts";
import { exactAndRelative, relativeTime } from "./when.ts";

export type LinkState = "active" | "inactive" | "expired" | "scheduled";

/** What a link is to whoever follows it now. */
export function stateOf(link: Pick<ShownLink, "is_active" | "expires_at" | "starts_at">, nowMs: number): LinkState {
  if (!link.is_active) return "inactive";
  if (link.expires_at !== null && Date.parse(link.expires_at) <= nowMs) return "expired";
  return link.starts_at !== null && Date.parse(link.starts_at) > nowMs ? "scheduled" : "active";
}

const STATE_PAINTS: Readonly<Record<LinkState, Paint>> = {
  active: pc.green,
  inactive: pc.red,
  expired: pc.yellow,
  scheduled: pc.cyan,
};

export function paintState(state: LinkState): string {
  return STATE_PAINTS[state](state);
}

/** What makes and changes links on a screen without waiting for it: by the clock of whoever looks. */
export function linkColumns(nowMs: number): readonly Column<ListedLink>[] {
  const at = (name: string, read: (link: ListedLink) => string | null, more: Partial<Column<ListedLink>> = {}) => ({
    name,
    value: (link: ListedLink) => read(link) ?? "",
    shown: (link: ListedLink) => relativeTime(read(link) ?? "-", nowMs),
    ...more,
  });
  return [
    { name: "code", value: ({ short_code }) => short_code, least: 12, paint: () => pc.bold },
    {
      name: "state",
      value: (link) => stateOf(link, nowMs),
      paint: (link) => STATE_PAINTS[stateOf(link, nowMs)],
    },
    {
      name: "clicks",
      value: ({ clicks }) => clicks ?? "",
      shown: ({ clicks }) => (clicks === undefined ? "" : thousands(clicks)),
      align: "right",
      rank: 1,
    },
    { name: "tags", value: ({ tags }) => tags.join(","), least: 8, rank: 4, paint: () => pc.cyan },
    { name: "owner", value: ownerOf, least: 8, rank: 3 },
    at("created", ({ created_at }) => created_at, { rank: 2, paint: () => pc.dim }),
    { name: "title", value: ({ title }) => title, least: 10, rank: 5 },
    { name: "target", value: ({ original_url }) => original_url, least: 20 },
    { name: "id", value: ({ id }) => id, isExtra: true, align: "right" },
    { name: "version", value: ({ version }) => version, isExtra: true, align: "right" },
    { name: "url", value: ({ short_url }) => short_url, isExtra: true },
    { name: "status", value: ({ status }) => status, isExtra: true },
    { name: "forward", value: ({ forward }) => forward, isExtra: true },
    at("starts", ({ starts_at }) => starts_at, { isExtra: true }),
    at("expires", ({ expires_at }) => expires_at, { isExtra: true }),
    at("updated", ({ updated_at }) => updated_at, { isExtra: true }),
  ];
}

function ownerOf({ owner, user_id }: ListedLink): string {
  return owner ?? (user_id === null ? "" : `user ${user_id}`);
}

export function describeLink(link: ListedLink, nowMs: number): string {
  const time = (text: string | null, absent: string) => (text === null ? absent : exactAndRelative(text, nowMs));
  // By member, so that one that is not shown does not compile; the version stands with the id.
  const rows: Readonly<
    Record<Exclude<keyof ShownLink, "version" | "short_code" | "query_wins">, readonly [string, string]>
  > = {
    short_url: ["short url", pc.bold(printable(link.short_url))],
    original_url: ["target", printable(link.original_url)],
    title: ["title", printable(link.title) || "-"],
    is_active: ["state", paintState(stateOf(link, nowMs))],
    starts_at: ["starts", time(link.starts_at, "at once")],
    expires_at: ["expires", time(link.expires_at, "never")],
    tags: ["tags", pc.cyan(link.tags.map(printable).join(", ")) || "-"],
    status: ["status", `${link.status}${link.status === 301 || link.status === 308 ? ", which browsers keep" : ""}`],
    max_age: ["max-age", link.max_age === null ? "none" : `${link.max_age} s`],
    forward: ["forwards", link.forward === "none" ? "nothing" : `${link.forward}, ${link.query_wins} wins`],
    incident_id: ["incident", link.incident_id === null ? "-" : `down for incident ${link.incident_id}`],
    user_id: ["owner", printable(ownerOf(link)) || "-"],
    id: ["id", `${link.id}, version ${link.version}`],
    created_at: ["created", exactAndRelative(link.created_at, nowMs)],
    updated_at: ["updated", exactAndRelative(link.updated_at, nowMs)],
  };
  return facts(Object.values(rows));
}
