// From flags, environment and files to a configuration: flag > environment > default. Throws for what is unknown or malformed.

import { readFileSync } from "node:fs";
import { badRequest, messageOf } from "../errors.ts";
import { editDistance } from "../runtime/edit-distance.ts";
import { parseDatabaseUrl } from "./database-url.ts";
import { type Config, SETTINGS, type Setting, type SettingName } from "./settings.ts";

export type Origin = "flag" | "environment" | "file" | "profile" | "default" | "unset";

export interface LoadedConfig {
  readonly config: Config;
  readonly origins: Readonly<Record<SettingName, Origin>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws bad_request naming the flag or variable that is unknown, malformed or unreadable. */
export function loadConfig(
  environment: Environment,
  flags: Readonly<Record<string, string | boolean>> = {},
): LoadedConfig {
  refuseUnknown(environment);
  const config: Partial<Record<SettingName, unknown>> = {};
  const origins: Partial<Record<SettingName, Origin>> = {};
  for (const setting of SETTINGS) {
    const { text, origin, label } = findValue(setting, environment, flags, config as Partial<Config>);
    origins[setting.name] = origin;
    try {
      config[setting.name] = text === undefined ? undefined : setting.read(text);
    } catch (error) {
      throw badRequest(`${label}: ${messageOf(error)}`, "see: deadletter config --help");
    }
  }
  return {
    config: asConfig(config),
    origins: origins as Record<SettingName, Origin>,
  };
}

/** Every setting has been read: SETTINGS names each member of a configuration once. */
function asConfig(read: Partial<Record<SettingName, unknown>>): Config {
  const config: Partial<Config> = read as Partial<Config>;
  return config as Config;
}

function findValue(
  setting: Setting,
  environment: Environment,
  flags: Readonly<Record<string, string | boolean>>,
  soFar: Partial<Config>,
): { text: string | undefined; origin: Origin; label: string } {
  const flag = setting.flag === undefined ? undefined : flags[setting.flag];
  if (flag !== undefined) {
    const text = String(flag);
    if (setting.name === "databaseUrl" && hasPassword(text))
      throw badRequest(
        "--database-url: must not contain a password, which every user of this host could read",
        "use DATABASE_URL or DATABASE_URL_FILE",
      );
    return { text, origin: "flag", label: `--${setting.flag}` };
  }
  for (const name of [setting.env, setting.fileEnv])
    if (name !== undefined && environment[name] === "")
      throw badRequest(`${name} is set, but empty`, "unset it, or give it a value");
  const direct = environment[setting.env];
  const file = setting.fileEnv === undefined ? undefined : environment[setting.fileEnv];
  if (direct && file) throw badRequest(`${setting.env} and ${setting.fileEnv} are both set`, "unset one of them");
  if (direct) return { text: direct, origin: "environment", label: setting.env };
  if (file) return { text: readSecretFile(setting.fileEnv ?? "", file), origin: "file", label: setting.fileEnv ?? "" };
  const fallback = typeof setting.default === "function" ? setting.default(soFar) : setting.default;
  return { text: fallback, origin: fallback === undefined ? "unset" : "default", label: setting.env };
}

function hasPassword(databaseUrl: string): boolean {
  try {
    return parseDatabaseUrl(databaseUrl).password !== undefined;
  } catch {
    // What cannot be read is refused by its own reader.
    return false;
  }
}

function readSecretFile(variable: string, path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw badRequest(`${variable}: cannot read ${path}: ${messageOf(error)}`);
  }
}

function refuseUnknown(environment: Environment): void {
  const known = SETTINGS.flatMap((setting) => [setting.env, setting.fileEnv ?? ""]);
  for (const name of Object.keys(environment)) {
    if (!name.startsWith("DEADLETTER_") || known.includes(name)) continue;
    const near = known.find((other) => other.startsWith("DEADLETTER_") && editDistance(other, name) <= 3);
    throw badRequest(
      `unknown environment variable ${name}`,
      near === undefined ? "see: deadletter config --help" : `did you mean ${near}?`,
    );
  }
}
