// Every command, in the order in which help lists them.

import { adminCommand } from "./admin.ts";
import type { Command } from "./command.ts";
import { configCommand } from "./config.ts";
import { eventsCommand } from "./events.ts";
import { healthcheckCommand } from "./healthcheck.ts";
import { importCommand } from "./import.ts";
import { keysCreateCommand, keysListCommand, keysRevokeCommand } from "./keys.ts";
import { keygenCommand } from "./log.ts";
import { migrateCommand } from "./migrate.ts";
import { serveCommand } from "./serve.ts";
import { deleteCommand, listCommand, restoreCommand, shortenCommand, showCommand, updateCommand } from "./urls.ts";
import { usersCreateCommand, usersDeactivateCommand, usersListCommand } from "./users.ts";
import { verifyCommand } from "./verify.ts";
import { versionCommand } from "./version.ts";

export const COMMANDS: readonly Command[] = [
  serveCommand,
  migrateCommand,
  adminCommand,
  shortenCommand,
  listCommand,
  showCommand,
  updateCommand,
  deleteCommand,
  restoreCommand,
  eventsCommand,
  usersCreateCommand,
  usersListCommand,
  usersDeactivateCommand,
  keysCreateCommand,
  keysListCommand,
  keysRevokeCommand,
  verifyCommand,
  importCommand,
  keygenCommand,
  configCommand,
  healthcheckCommand,
  versionCommand,
];
