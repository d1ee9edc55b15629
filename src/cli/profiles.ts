// Profiles: servers and keys that a person has logged in to, by name. A key is in the system's keyring where there is one, else in
// the file beside the address, 0600. A profile brings a server together with its key: no key is ever sent to another server.

import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { hasStore } from "../app/open-store.ts";
import { readBaseUrl, readProfileName } from "../config/parse.ts";
import { badRequest, messageOf, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { systemClock } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { editDistance } from "../runtime/edit-distance.ts";
import { systemFiles } from "../runtime/files.ts";
import type { Command, Input } from "./command.ts";

const SERVICE = "deadletter";
export const DEFAULT_PROFILE = "default";

export interface Profile {
  readonly server: string;
  /** Absent where the system's keyring has it. */
  readonly key?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;
export type Profiles = Readonly<Record<string, Profile>>;

/** Where profiles are kept (XDG Base Directory Specification). Throws bad_request where there is no home. */
export function profilesPath({ XDG_CONFIG_HOME, HOME }: Environment): string {
  const base = XDG_CONFIG_HOME || (HOME ? join(HOME, ".config") : undefined);
  if (base === undefined) throw badRequest("there is no place for profiles: set HOME or XDG_CONFIG_HOME");
  return join(base, "deadletter/profiles.json");
}

/** Throws bad_request for a file that is none of ours, or that others may read though it holds a key. */
export function readProfiles(environment: Environment): Profiles {
  const path = profilesPath(environment);
  if (!existsSync(path)) return {};
  const profiles = parse(path);
  const holdsKey = Object.values(profiles).some(({ key }) => key !== undefined);
  if (holdsKey && (statSync(path).mode & 0o077) !== 0)
    throw badRequest(`${path} holds keys, and others may read it`, `make it yours alone with: chmod 600 ${path}`);
  return profiles;
}

function parse(path: string): Profiles {
  try {
    const { profiles } = JSON.parse(readFileSync(path, "utf8")) as { profiles?: Record<string, Profile> };
    return Object.fromEntries(
      Object.entries(profiles ?? {}).map(([name, { server, key }]) => [
        readProfileName(name),
        { server: readBaseUrl(server), ...(typeof key === "string" ? { key } : {}) },
      ]),
    );
  } catch (error) {
    throw badRequest(`cannot read the profiles in ${path}: ${messageOf(error)}`, "mend the file, or remove it");
  }
}

function writeProfiles(environment: Environment, profiles: Profiles): void {
  const path = profilesPath(environment);
  try {
    systemFiles.makeFolder(join(path, ".."));
    systemFiles.replace(path, `${JSON.stringify({ profiles }, null, 2)}\n`, { isSynced: true });
  } catch (error) {
    throw badRequest(`cannot write ${path}: ${messageOf(error)}`);
  }
}

/** Where the key went. */
export async function saveProfile(
  environment: Environment,
  name: string,
  { server, key }: Required<Profile>,
): Promise<"keyring" | "file"> {
  const others = readProfiles(environment);
  const isInRing = await ask(() => Bun.secrets.set({ service: SERVICE, name, value: key }).then(() => true), false);
  writeProfiles(environment, { ...others, [name]: isInRing ? { server } : { server, key } });
  return isInRing ? "keyring" : "file";
}

/** False where there was none. */
export async function removeProfile(environment: Environment, name: string): Promise<boolean> {
  const profiles = readProfiles(environment);
  if (!Object.hasOwn(profiles, name)) return false;
  const { [name]: found, ...others } = profiles;
  if (found?.key === undefined) await ask(() => Bun.secrets.delete({ service: SERVICE, name }), false);
  writeProfiles(environment, others);
  return true;
}

/** What the system's keyring answers, or `absent` where there is none, or it waits for somebody who is not there. */
async function ask<Answer>(question: () => Promise<Answer>, absent: Answer): Promise<Answer> {
  const late = () => badRequest("the keyring does not answer");
  const answer = Promise.resolve().then(question);
  return withDeadline(systemClock, answer, { ms: LIMITS.keyringMs, late }).catch(() => absent);
}

/**
 * The input with the server and the key of its profile: the one that is named, or the default one where nothing else says what to
 * work on. Throws not_found for a profile there is not, bad_request where a server is named as well.
 */
export async function withProfile<Given extends Pick<Input, "config" | "origins" | "note">>(
  command: Pick<Command, "settings">,
  input: Given,
  environment: Environment,
): Promise<Given> {
  if (!command.settings.includes("profile")) return input;
  const { config, origins } = input;
  if (config.profile === undefined) {
    const profile = defaultProfile(input, environment);
    if (profile === undefined) return input;
    if (hasStore(config))
      input.note(`on ${profile.server}, profile ${DEFAULT_PROFILE}; of the store here: --data-dir ${config.dataDir}`);
    return load(input, DEFAULT_PROFILE, environment);
  }
  // A flag wins over the environment.
  if (origins.server === "flag" && origins.profile !== "flag") return input;
  if (config.server !== undefined && origins.server === origins.profile)
    throw badRequest(`the profile ${config.profile} and ${config.server} are two servers`, "name one of them");
  return load(input, config.profile, environment);
}

/** The profile that holds where nothing else says what to work on: neither a server, nor a database, nor a data directory. */
export function defaultProfile(
  { config, origins }: Pick<Input, "config" | "origins">,
  environment: Environment,
): Profile | undefined {
  const isPlaceNamed = config.server !== undefined || config.databaseUrl !== undefined || origins.dataDir !== "default";
  const hasHome = Boolean(environment.HOME) || Boolean(environment.XDG_CONFIG_HOME);
  return isPlaceNamed || !hasHome ? undefined : readProfiles(environment)[DEFAULT_PROFILE];
}

/**
 * For commands that work on the store itself: who is logged in to a server must not be told of a store here, or have one made.
 * Throws bad_request.
 */
export function refuseProfile(input: Input, command: string, environment: Environment): void {
  const profile = hasStore(input.config) ? undefined : defaultProfile(input, environment);
  if (profile === undefined) return;
  throw badRequest(
    `${command} works on a store itself, and you are logged in to ${profile.server}`,
    "run it on that server's host; or name a store here with --data-dir; links of a file: deadletter bulk FILE",
  );
}

async function load<Given extends Pick<Input, "config" | "origins">>(
  input: Given,
  name: string,
  environment: Environment,
): Promise<Given> {
  const profiles = readProfiles(environment);
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile === undefined) {
    const near = Object.keys(profiles).find((each) => editDistance(each, name) <= 2);
    throw notFound(
      `no profile ${name}`,
      near === undefined ? `make it with: deadletter login SERVER --profile ${name}` : `did you mean ${near}?`,
    );
  }
  const key = profile.key ?? (await ask(() => Bun.secrets.get({ service: SERVICE, name }), null)) ?? undefined;
  if (key === undefined)
    throw badRequest(
      `the keyring does not give the key of profile ${name}`,
      `log in again: deadletter login ${profile.server} --profile ${name}`,
    );
  return {
    ...input,
    config: { ...input.config, server: profile.server, key },
    origins: { ...input.origins, server: "profile", key: "profile" },
  };
}
