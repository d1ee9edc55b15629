// Where a PostgreSQL server is and how it is talked to, in the words of postgres.js: hosts, sockets, TLS.

import { readFileSync } from "node:fs";
import type postgres from "postgres";
import type { DatabaseAddress } from "../config/database-url.ts";
import { badRequest, messageOf } from "../errors.ts";

/** Its types know of one host only. Throws bad_request for a file that cannot be read. */
export function connectionTo(address: DatabaseAddress) {
  const { hosts, user, password, database, targetSessionAttrs } = address;
  const [{ host, port } = { host: "", port: 0 }] = hosts;
  return {
    host: hosts.map((each) => each.host),
    port: hosts.map((each) => each.port),
    ...(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : {}),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(database === undefined ? {} : { database }),
    ...(targetSessionAttrs === undefined || targetSessionAttrs === "any"
      ? {}
      : { target_session_attrs: targetSessionAttrs }),
    ssl: sslOf(address),
  } as unknown as postgres.Options<Record<string, postgres.PostgresType>>;
}

/** libpq's words (PostgreSQL manual, section 32.19.1) in those of TLS. Nothing but `prefer` goes on without encryption. */
function sslOf({ sslMode, sslRootCert, sslCert, sslKey }: DatabaseAddress) {
  if (sslMode === "disable") return false;
  if (sslMode === "allow" || sslMode === "prefer") return "prefer";
  const isSystem = sslRootCert === undefined || sslRootCert === "system";
  return {
    ...(isSystem ? {} : { ca: readPem("sslrootcert", sslRootCert) }),
    ...(sslCert === undefined ? {} : { cert: readPem("sslcert", sslCert) }),
    ...(sslKey === undefined ? {} : { key: readPem("sslkey", sslKey) }),
    rejectUnauthorized: sslMode !== "require" || sslRootCert !== undefined,
    // Only verify-full asks whether the certificate is that of the host.
    ...(sslMode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
  };
}

function readPem(parameter: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw badRequest(`DATABASE_URL: cannot read ${parameter} ${path}: ${messageOf(error)}`);
  }
}
