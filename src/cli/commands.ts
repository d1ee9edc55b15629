// Every command, in the order in which help lists them.

import { adminCommand } from "./admin.ts";
import type { Command } from "./command.ts";
import { importCommand } from "./import.ts";
import {
  deleteCommand,
  eventsCommand,
  listCommand,
  restoreCommand,
  shortenCommand,
  showCommand,
  updateCommand,
} from "./links.ts";
import {
  configCommand,
  healthcheckCommand,
  keygenCommand,
  migrateCommand,
  verifyCommand,
  versionCommand,
} from "./maintenance.ts";
import { serveCommand } from "./serve.ts";
import {
  keysCreateCommand,
  keysListCommand,
  keysRevokeCommand,
  usersCreateCommand,
  usersDeactivateCommand,
  usersListCommand,
} from "./users.ts";

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
