// `/{code}+`: where a link leads, for people who look before they go. Says nothing of a link that does not redirect.

import { DeadletterError, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isCode } from "../model/code.ts";
import { formatTime } from "../model/time.ts";
import { readUpdatedAt } from "../operations/links.ts";
import type { Found } from "../redirect/resolve.ts";
import { finish } from "./finish.ts";
import { previewPage } from "./pages.ts";
import type { Service } from "./service.ts";

/** When the version of a link was made that a page was last made of: strangers may ask again and again. By code, the oldest first. */
type Remembered = Map<string, { readonly version: number; readonly atMs: number }>;
const remembered = new WeakMap<Service, Remembered>();

/** Not counted as a click. Throws not_found, in JSON whatever asks. */
export async function preview(service: Service, request: Request, code: string): Promise<Response> {
  const { core, redirects, pages } = service;
  const { resolver } = redirects;
  const link = isCode(code)
    ? (resolver.resolveNow(code, core.clock.now()) ?? (await resolver.resolve(code)))
    : undefined;
  if (link?.outcome !== "found") throw notFound(`no link ${JSON.stringify(code.slice(0, 100))}`);
  const atMs = await changedAt(service, code, link);
  const since = atMs === undefined ? undefined : formatTime(atMs);
  const shortUrl = `${service.publicAddress()}/${code}`;
  return finish(service, request, previewPage(pages, { code, shortUrl, target: link.location, since }));
}

/** Undefined while the store does not answer: where the link leads is known all the same. */
async function changedAt(service: Service, code: string, { urlId, version }: Found): Promise<number | undefined> {
  const known: Remembered = remembered.get(service) ?? new Map();
  remembered.set(service, known);
  const before = known.get(code);
  if (before?.version === version) return before.atMs;
  try {
    const atMs = await readUpdatedAt(service.core, urlId);
    known.delete(code);
    known.set(code, { version, atMs });
    const [oldest] = known.keys();
    if (known.size > LIMITS.previews && oldest !== undefined) known.delete(oldest);
    return atMs;
  } catch (error) {
    if (error instanceof DeadletterError && error.code === "unavailable") return undefined;
    throw error;
  }
}
