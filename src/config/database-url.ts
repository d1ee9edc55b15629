// A PostgreSQL address as libpq takes it (PostgreSQL manual, sections 32.1.1.2 and 32.19): several hosts, sslmode and its files.

import { isIP } from "node:net";
import { isLoopback } from "../model/target.ts";

export const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof SSL_MODES)[number];

export interface DatabaseAddress {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly sslMode: SslMode;
  /** PEM files. */
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  readonly targetSessionAttrs: string | undefined;
  /** All other parameters, for the server. */
  readonly parameters: Readonly<Record<string, string>>;
}

const DEFAULT_PORT = 5432;
const SESSION_ATTRS = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"];
/** What postgres.js itself takes as `ssl`. */
const SSL_ALIASES: Readonly<Record<string, SslMode>> = { true: "require", false: "disable" };
/** Of libpq itself, and of no meaning to a server. */
const CLIENT_ONLY = new Set(["channel_binding", "gssencmode", "sslcompression", "connect_timeout", "keepalives"]);

/** Throws RangeError, without repeating the text, which may hold a password. */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const match = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(text);
  if (!match) throw new RangeError("must be a PostgreSQL address such as postgres://user@host:5432/database");
  const [, login = "", authority = "", database = "", query = ""] = match;
  const [user = "", ...password] = login.split(":");
  const {
    host,
    port,
    user: queryUser,
    password: queryPassword,
    dbname,
    ssl,
    sslmode = SSL_ALIASES[ssl ?? ""] ?? ssl,
    sslrootcert,
    sslcert,
    sslkey,
    target_session_attrs,
    ...others
  } = Object.fromEntries(new URLSearchParams(query));
  const sslMode = sslmode ?? (sslrootcert === undefined ? "disable" : "verify-full");
  if (!(SSL_MODES as readonly string[]).includes(sslMode))
    throw new RangeError(`sslmode must be one of ${SSL_MODES.join(", ")}`);
  if (target_session_attrs !== undefined && !SESSION_ATTRS.includes(target_session_attrs))
    throw new RangeError(`target_session_attrs must be one of ${SESSION_ATTRS.join(", ")}`);
  return {
    hosts: readHosts(authority === "" ? (host ?? "") : authority, port),
    user: decode(user) || queryUser,
    password: password.length === 0 ? queryPassword : decode(password.join(":")),
    database: decode(database) || dbname,
    sslMode: sslMode as SslMode,
    sslRootCert: sslrootcert,
    sslCert: sslcert,
    sslKey: sslkey,
    targetSessionAttrs: target_session_attrs,
    parameters: Object.fromEntries(Object.entries(others).filter(([name]) => !CLIENT_ONLY.has(name))),
  };
}

function readHosts(list: string, port: string | undefined): { host: string; port: number }[] {
  const ports = (port ?? "").split(",");
  return list.split(",").map((part, index) => {
    const [, bracketed, bare = "", own] = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d+))?$/.exec(decode(part)) ?? [];
    const host = bracketed ?? bare;
    const number = Number(own ?? (ports[index] || ports[0] || DEFAULT_PORT));
    if ((host === "" && part !== "") || !Number.isInteger(number) || number < 1 || number > 65_535)
      throw new RangeError("must name each host as host or host:port, IPv6 in brackets, with commas between them");
    return { host: host === "" ? "localhost" : host, port: number };
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RangeError("has a % that is not part of an escape; in a user name or password write it as %25");
  }
}

/** What anybody may be shown: hosts and database, without user, password or parameters. */
export function placeOf({ hosts, database }: DatabaseAddress): string {
  const names = hosts.map(({ host, port }) => `${isIP(host) === 6 ? `[${host}]` : host}:${port}`);
  return `${names.join(",")}/${database ?? ""}`;
}

/** How a connection to it is protected, in words. */
export function describeProtection({ sslMode, sslRootCert }: DatabaseAddress): string {
  switch (sslMode) {
    case "disable":
      return "in the clear";
    case "allow":
    case "prefer":
      return "encrypted where the server can, not verified";
    case "require":
      return sslRootCert === undefined ? "encrypted, not verified" : "encrypted, its authority verified";
    case "verify-ca":
      return "encrypted, its authority verified";
    case "verify-full":
      return "encrypted and verified";
  }
}

/** Whether passwords and data would cross a network for anybody to read. */
export function isExposed({ hosts, sslMode }: DatabaseAddress): boolean {
  const isRemote = hosts.some(
    ({ host }) => !host.startsWith("/") && !isLoopback(isIP(host) === 6 ? `[${host}]` : host),
  );
  return isRemote && ["disable", "allow", "prefer"].includes(sslMode);
}

/** The same address of another database. */
export function inDatabase(text: string, database: string): string {
  const [, start = "", , query = ""] = /^([a-z]+:\/\/[^/?#]*)(?:\/([^?#]*))?(\?[^#]*)?$/i.exec(text) ?? [];
  const others = new URLSearchParams(query);
  others.delete("dbname");
  return `${start}/${database}${others.size === 0 ? "" : `?${others}`}`;
}

/** What libpq's own programs take an address from (PostgreSQL manual, section 32.15), so that none of it stands in argv. */
export function libpqEnvironment(address: DatabaseAddress): Readonly<Record<string, string>> {
  const { hosts, user, password, database, sslMode, sslRootCert, sslCert, sslKey, targetSessionAttrs } = address;
  const named: Readonly<Record<string, string | undefined>> = {
    PGHOST: hosts.map(({ host }) => host).join(","),
    PGPORT: hosts.map(({ port }) => port).join(","),
    PGUSER: user,
    PGPASSWORD: password,
    PGDATABASE: database,
    PGSSLMODE: sslMode,
    PGSSLROOTCERT: sslRootCert,
    PGSSLCERT: sslCert,
    PGSSLKEY: sslKey,
    PGTARGETSESSIONATTRS: targetSessionAttrs,
  };
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  );
}
