// How a link redirects beside its target: when, with which status, for how long it may be kept, with what of the visitor's. Pure.

import { badRequest } from "../errors.ts";
import { checkTemplate, type Forward, hasPlaces, type QueryWinner } from "./forward.ts";
import type { LinkRow, LinkStatus, NewLink } from "./link.ts";
import { checkTags } from "./tags.ts";
import { parseTime } from "./time.ts";

/** Members of a command that say so. */
export type LinkOptions = Partial<
  Pick<typeof NewLink.static, "tags" | "starts_at" | "status" | "max_age" | "forward" | "query_wins">
>;

type OptionColumns = Pick<
  LinkRow,
  "tags" | "starts_at_ms" | "status" | "max_age" | "forward" | "query_wins" | "incident_id"
>;

/** A link that says nothing of them. */
export const DEFAULT_OPTIONS: OptionColumns = {
  tags: "[]",
  starts_at_ms: null,
  status: 302 satisfies LinkStatus,
  max_age: null,
  forward: "none" satisfies Forward,
  query_wins: "target" satisfies QueryWinner,
  incident_id: null,
};

const NONE: Partial<OptionColumns> = {};

/** Of those that were given. Throws bad_request for what no link can have. */
export function optionsOf(options: LinkOptions): Partial<OptionColumns> {
  const { tags, starts_at, status, max_age, forward, query_wins, ...unread } = options;
  // A member that is not read here would be accepted and dropped, so it does not compile.
  void (unread satisfies Record<string, never>);
  if (Object.keys(options).length === 0) return NONE;
  return {
    ...(tags === undefined ? {} : { tags: JSON.stringify(checkTags(tags)) }),
    ...(starts_at === undefined ? {} : { starts_at_ms: starts_at === null ? null : parseTime("starts_at", starts_at) }),
    ...(status === undefined ? {} : { status }),
    ...(max_age === undefined ? {} : { max_age }),
    ...(forward === undefined ? {} : { forward }),
    ...(query_wins === undefined ? {} : { query_wins }),
  };
}

/** Rules between fields. Throws bad_request for a link that never redirects, or whose target is no template where it is to be one. */
export function checkLinkRow({
  starts_at_ms,
  expires_at_ms,
  forward,
  original_url,
}: Pick<LinkRow, "starts_at_ms" | "expires_at_ms" | "forward" | "original_url">): void {
  if (starts_at_ms !== null && expires_at_ms !== null && starts_at_ms >= expires_at_ms)
    throw badRequest("starts_at: must be before expires_at");
  if (forward !== "none" && original_url.includes("\\"))
    throw badRequest("original_url: a target with a backslash cannot be forwarded to", 'write it as "%5C"');
  if (forward === "template") checkTemplate(original_url);
}

export function expiryOf(text: string | null | undefined): number | null {
  return text == null ? null : parseTime("expires_at", text);
}

/** What whoever asks for a permanent status should hear; empty where there is nothing to say. */
export function warningsOf({
  status,
  max_age,
  forward,
  original_url,
}: Pick<LinkRow, "status" | "max_age" | "forward" | "original_url">): readonly string[] {
  const warnings: string[] = [];
  if (status === 301 || status === 308)
    warnings.push(`status ${status} is permanent: browsers may keep it, and no change or deletion reaches them`);
  if (max_age !== null)
    warnings.push(`browsers may follow this link for ${max_age} s after it has changed or was deleted`);
  if (forward !== "template" && hasPlaces(original_url))
    warnings.push('the target has places such as {1}, which are filled only where forward is "template"');
  return warnings;
}
