// `/{code}+`: where a link leads, for people who look before they go. Says nothing of a link that does not redirect.

import { notFound } from "../errors.ts";
import { isCode } from "../model/code.ts";
import { formatTime } from "../model/time.ts";
import { readTarget } from "../operations/links.ts";
import { finish } from "./finish.ts";
import { previewPage } from "./pages.ts";
import type { Service } from "./service.ts";

/** Not counted as a click. Throws not_found, in JSON whatever asks. */
export async function preview(service: Service, request: Request, code: string): Promise<Response> {
  const { core, pages } = service;
  const link = isCode(code) ? await readTarget(core, code) : undefined;
  if (link === undefined) throw notFound(`no link ${JSON.stringify(code.slice(0, 100))}`);
  const since = formatTime(link.updatedAtMs);
  return finish(service, request, previewPage(pages, { code, target: link.originalUrl, since }));
}
