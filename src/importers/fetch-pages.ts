// Links out of a running product, by its own API: page after page until one has none. Nothing is sent but the key, and only to the host
// that was named.

import { badRequest, messageOf } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Members } from "./members.ts";
import { readJson } from "./read-json.ts";
import type { Read, SourceLink } from "./source-link.ts";

export interface Pages {
  /** The member of an answer that holds links (read-json.ts). */
  readonly list: string;
  /** The member of an answer that has none of it (read-json.ts). */
  readonly emptyWith?: string;
  map(members: Members): SourceLink;
  /** From page 1 on. With a body it is a POST. */
  request(
    page: number,
    key: string,
  ): {
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: URLSearchParams;
  };
}

/** Throws bad_request for an address that answers otherwise, or not in time. */
export async function* fetchPages(base: string, pages: Pages, key: string | undefined): AsyncGenerator<Read> {
  if (key === undefined)
    throw badRequest(
      "a key of the other product is needed",
      "put it in the file that DEADLETTER_IMPORT_KEY_FILE names",
    );
  const { username, password } = new URL(base);
  if (username + password !== "") throw badRequest("the URL must hold no user and no password");
  let before = "";
  for (let page = 1; page <= LIMITS.importPages; page++) {
    const answer = await fetchPage(base, pages.request(page, key));
    const reads = await Array.fromAsync(readJson(textsOf(answer, base), pages.list, pages.map, pages.emptyWith));
    if (reads.length === 0) return;
    const codes = JSON.stringify(reads.map(({ link }) => link?.short_code));
    if (codes === before) throw badRequest(`${base} answers the same page again`, "import an export of it");
    before = codes;
    for (const read of reads) yield { ...read, place: `page ${page}, ${read.place}` };
  }
  throw badRequest(`${base} has more than ${LIMITS.importPages} pages`, "import an export of it");
}

async function fetchPage(
  base: string,
  { path, headers = {}, body }: ReturnType<Pages["request"]>,
): Promise<ReadableStream<Uint8Array>> {
  const address = base.replace(/\/+$/, "") + path;
  const signal = AbortSignal.timeout(LIMITS.importPageMs);
  const sent = body === undefined ? { method: "GET" } : { method: "POST", body };
  try {
    // Its key would go wherever it redirects to.
    const answer = await fetch(address, {
      ...sent,
      headers: { accept: "application/json", ...headers },
      redirect: "manual",
      signal,
    });
    if (answer.status === 401 || answer.status === 403)
      throw badRequest(`${base} does not take the key`, "put it in DEADLETTER_IMPORT_KEY_FILE");
    if (answer.status !== 200 || answer.body === null) throw badRequest(`${base} answers ${answer.status}`);
    return answer.body;
  } catch (error) {
    throw badRequest(`cannot read ${base}: ${messageOf(error)}`);
  }
}

async function* textsOf(stream: ReadableStream<Uint8Array>, base: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8");
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      bytes += chunk.length;
      if (bytes > LIMITS.importPageBytes) break;
      yield decoder.decode(chunk, { stream: true });
    }
  } catch (error) {
    throw badRequest(`an answer of ${base} broke off: ${messageOf(error)}`);
  }
  if (bytes > LIMITS.importPageBytes)
    throw badRequest(`an answer of ${base} has more than ${LIMITS.importPageBytes} bytes`);
  yield decoder.decode();
}
