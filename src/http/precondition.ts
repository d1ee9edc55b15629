// ETag and If-Match (RFC 9110 sections 8.8.3 and 13.1.1): a link's version, to prevent lost updates.

import { badRequest } from "../errors.ts";

export function etagOf(version: number): string {
  return `"${version}"`;
}

/** The versions a command may find, as it says them; nothing where any will do. A weak tag never matches (strong comparison). */
export function readIfMatch(request: Request): { if_version?: number[] } {
  const header = request.headers.get("if-match")?.trim();
  if (header === undefined || header === "*") return {};
  if (!/^(?:W\/)?"[^"]*"(?:\s*,\s*(?:W\/)?"[^"]*")*$/.test(header))
    throw badRequest('If-Match: must be * or a list of quoted versions such as "3"');
  const versions = [...header.matchAll(/(W\/)?"([^"]*)"/g)].flatMap(([, weak, tag = ""]) =>
    weak === undefined && /^[1-9][0-9]{0,9}$/.test(tag) ? [Number(tag)] : [],
  );
  return { if_version: versions };
}
