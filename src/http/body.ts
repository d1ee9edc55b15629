// Reads a request's body: JSON, UTF-8, bounded in bytes and depth, without repeated members. Throws the matching 4xx.

import { badRequest, DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";

/** The parsed body; an empty one reads as `{}`, so that what is missing is named by the route's own schema. */
export async function readJsonBody(request: Request): Promise<unknown> {
  const bytes = await readBytes(request);
  if (bytes.length === 0) return {};
  checkMediaType(request.headers);
  return parseJson(decodeUtf8(bytes));
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (Number(announced ?? 0) > LIMITS.bodyBytes) throw tooLarge();
  // The server holds a body to the length that it announces (RFC 9112 section 6.2): read whole it costs a third.
  if (announced !== null && !request.headers.has("transfer-encoding")) return request.bytes();
  if (!request.body) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  // A chunked body announces no length, so it is counted as it comes (RFC 9112 section 7.1).
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > LIMITS.bodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): DeadletterError {
  return new DeadletterError("payload_too_large", `the body must be at most ${LIMITS.bodyBytes} bytes`);
}

function checkMediaType(headers: Headers): void {
  const [type = "", ...parameters] = (headers.get("content-type") ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charset = parameters
    .find((parameter) => parameter.startsWith("charset="))
    ?.slice(8)
    .replaceAll('"', "");
  const encoding = headers.get("content-encoding")?.toLowerCase() ?? "identity";
  if (encoding !== "identity" || (charset !== undefined && charset !== "utf-8"))
    throw new DeadletterError("unsupported_media_type", "the body must be UTF-8 without a content encoding");
  if (type !== "" && type !== "application/json" && !/^application\/[^/]+\+json$/.test(type))
    throw new DeadletterError(
      "unsupported_media_type",
      `the body must be application/json, not ${JSON.stringify(type.slice(0, 100))}`,
    );
}

/** Whole texts only, so it keeps nothing from one to the next. */
const UTF8 = new TextDecoder("utf-8", { fatal: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw badRequest("the body is not UTF-8");
  }
}

export function parseJson(text: string): unknown {
  checkShape(text);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw badRequest("the body is not JSON");
  }
}

/** Strings (also one that never ends, or each of its quotes would be tried anew) and structure; enough to count depth and see members, since JSON.parse judges the rest. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"?|[{}[\],:]/gs;

/** JSON.parse overflows its stack on deep input and lets the last of two equal members win (RFC 8259 section 4). */
function checkShape(text: string): void {
  const open: (Set<string> | null)[] = [];
  let previous = "";
  for (const [token] of text.matchAll(TOKEN)) {
    const members = open.at(-1);
    if (token === "{" || token === "[") {
      open.push(token === "{" ? new Set() : null);
      if (open.length > LIMITS.jsonDepth) throw badRequest(`the body is nested deeper than ${LIMITS.jsonDepth} levels`);
    } else if (token === "}" || token === "]") {
      open.pop();
    } else if (members && token.startsWith('"') && (previous === "{" || previous === ",")) {
      const member = decodeMember(token);
      if (members.has(member)) throw badRequest(`the body has the member ${token.slice(0, 100)} twice`);
      // An object with it would pass for one without, since its schema never sees it as a member of its own.
      if (member === "__proto__") throw badRequest("__proto__: is not a member this request knows");
      members.add(member);
    }
    previous = token;
  }
}

/** Two spellings of one member (`"a"` and `"\\u0061"`) are the same member. */
function decodeMember(token: string): string {
  if (!token.includes("\\")) return token.slice(1, -1);
  try {
    return JSON.parse(token) as string;
  } catch {
    return token;
  }
}
