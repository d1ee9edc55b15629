// From a code to its target, or to the reason why there is none. Straight from the store: a cache belongs here.

import type { LinkRow } from "../model/url.ts";
import { lookUpLink } from "../store/queries/urls.ts";
import type { Store } from "../store/store.ts";

export type Destination =
  | { readonly outcome: "found"; readonly urlId: number; readonly target: string }
  | { readonly outcome: "missing" | "inactive" | "expired" };

/** Expiry is checked against `nowMs`, the moment of the request, whatever the store or a cache says. */
export async function follow(store: Store, codeOrId: string, nowMs: number): Promise<Destination> {
  const [link] = await store.read((sql) => lookUpLink(sql, codeOrId));
  if (!link) return { outcome: "missing" };
  if (link.is_active !== 1) return { outcome: "inactive" };
  if (isExpired(link, nowMs)) return { outcome: "expired" };
  return { outcome: "found", urlId: link.id, target: link.original_url };
}

export function isExpired(link: Pick<LinkRow, "expires_at_ms">, nowMs: number): boolean {
  return link.expires_at_ms !== null && link.expires_at_ms <= nowMs;
}
