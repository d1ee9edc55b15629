// Every command, in the order in which help lists them.

import { adminCommand } from "./admin.ts";
import { alertsTestCommand } from "./alerts.ts";
import { exportCommand, keygenCommand, sequenceCommand, statusCommand, vkeyCommand } from "./audit-log.ts";
import { backupCommand } from "./backup.ts";
import { bulkCommand } from "./bulk.ts";
import type { Command } from "./command.ts";
import { createCompletionCommand } from "./completion.ts";
import { configCommand } from "./config.ts";
import { drillRestoreCommand } from "./drill.ts";
import { eventsCommand } from "./events.ts";
import { exportRowsCommand } from "./export.ts";
import { followCommand } from "./follow.ts";
import { healthcheckCommand } from "./healthcheck.ts";
import { importCommand } from "./import.ts";
import { importCommands } from "./import-links.ts";
import {
  incidentsCloseCommand,
  incidentsListCommand,
  incidentsShowCommand,
  takedownCommand,
  takedownResumeCommand,
  takedownUndoCommand,
} from "./incidents.ts";
import { keysCreateCommand, keysListCommand, keysRevokeCommand } from "./keys.ts";
import { diffCommand, explainCommand, revertCommand } from "./link-history.ts";
import {
  clicksCommand,
  deleteCommand,
  listCommand,
  restoreCommand,
  shortenCommand,
  showCommand,
  updateCommand,
} from "./links.ts";
import { migrateCommand } from "./migrate.ts";
import { monitoringAlertmanagerCommand, monitoringDashboardCommand, monitoringRulesCommand } from "./monitoring.ts";
import { probeCommand } from "./probe.ts";
import { qrCommand } from "./qr.ts";
import { reindexCommand } from "./reindex.ts";
import { acceptRollbackCommand } from "./rollback.ts";
import { serveCommand, serveWorkerCommand } from "./serve.ts";
import { tagsListCommand, tagsRenameCommand } from "./tags.ts";
import {
  eraseCommand,
  usersActivateCommand,
  usersCreateCommand,
  usersDeactivateCommand,
  usersListCommand,
  usersShowCommand,
  usersUpdateCommand,
} from "./users.ts";
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
  revertCommand,
  diffCommand,
  explainCommand,
  qrCommand,
  tagsListCommand,
  tagsRenameCommand,
  takedownCommand,
  takedownResumeCommand,
  takedownUndoCommand,
  incidentsListCommand,
  incidentsShowCommand,
  incidentsCloseCommand,
  bulkCommand,
  clicksCommand,
  eventsCommand,
  usersCreateCommand,
  usersListCommand,
  usersShowCommand,
  usersUpdateCommand,
  usersDeactivateCommand,
  usersActivateCommand,
  eraseCommand,
  keysCreateCommand,
  keysListCommand,
  keysRevokeCommand,
  verifyCommand,
  reindexCommand,
  backupCommand,
  drillRestoreCommand,
  exportRowsCommand,
  importCommand,
  ...importCommands,
  statusCommand,
  followCommand,
  exportCommand,
  sequenceCommand,
  acceptRollbackCommand,
  vkeyCommand,
  keygenCommand,
  probeCommand,
  alertsTestCommand,
  monitoringRulesCommand,
  monitoringDashboardCommand,
  monitoringAlertmanagerCommand,
  configCommand,
  healthcheckCommand,
  createCompletionCommand(() => COMMANDS),
  versionCommand,
  serveWorkerCommand,
];
