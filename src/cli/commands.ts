// Every command, in the order in which help lists them.

import { adminCommand } from "./admin.ts";
import { alertsTestCommand } from "./alerts.ts";
import { exportCommand, keygenCommand, sequenceCommand, statusCommand, vkeyCommand } from "./audit-log.ts";
import { backupCommand } from "./backup.ts";
import { bulkCommand } from "./bulk.ts";
import { clicksCommand } from "./clicks.ts";
import type { Command } from "./command.ts";
import { createCompleteCommand } from "./complete.ts";
import { completionsCommand } from "./completions.ts";
import { configCommand } from "./config.ts";
import { dashboardCommand } from "./dashboard.ts";
import { doctorCommand } from "./doctor.ts";
import { drillRestoreCommand } from "./drill.ts";
import { eventsCommand } from "./events.ts";
import { exportRowsCommand } from "./export.ts";
import { followCommand } from "./follow.ts";
import { healthcheckCommand } from "./healthcheck.ts";
import type { Section } from "./help.ts";
import { importCommand } from "./import.ts";
import { importCommands } from "./import-links.ts";
import { incidentsCloseCommand, incidentsListCommand, incidentsShowCommand } from "./incidents.ts";
import { keysCreateCommand, keysListCommand, keysRevokeCommand } from "./keys.ts";
import { deleteCommand, restoreCommand, shortenCommand, updateCommand } from "./link-changes.ts";
import { diffCommand, explainCommand, revertCommand } from "./link-history.ts";
import { historyCommand, listCommand, openCommand, showCommand } from "./links.ts";
import { loginCommand, logoutCommand, profilesCommand, whoamiCommand } from "./login.ts";
import { migrateCommand } from "./migrate.ts";
import { monitoringAlertmanagerCommand, monitoringDashboardCommand, monitoringRulesCommand } from "./monitoring.ts";
import { probeCommand } from "./probe.ts";
import { qrCommand } from "./qr.ts";
import { reindexCommand } from "./reindex.ts";
import { acceptRollbackCommand } from "./rollback.ts";
import { serveCommand, serveWorkerCommand } from "./serve.ts";
import { healthCommand, metricsCommand, statsCommand } from "./server-status.ts";
import { tagsListCommand, tagsRenameCommand } from "./tags.ts";
import { takedownCommand, takedownResumeCommand, takedownUndoCommand } from "./takedown.ts";
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

/** As help shows them. */
export const SECTIONS: readonly Section[] = [
  {
    title: "Links",
    commands: [
      shortenCommand,
      listCommand,
      showCommand,
      updateCommand,
      deleteCommand,
      restoreCommand,
      historyCommand,
      revertCommand,
      diffCommand,
      explainCommand,
      clicksCommand,
      openCommand,
      qrCommand,
      tagsListCommand,
      tagsRenameCommand,
      bulkCommand,
      exportRowsCommand,
      importCommand,
      ...importCommands,
    ],
  },
  {
    title: "When links do harm",
    commands: [
      takedownCommand,
      takedownResumeCommand,
      takedownUndoCommand,
      incidentsListCommand,
      incidentsShowCommand,
      incidentsCloseCommand,
    ],
  },
  {
    title: "People and keys",
    commands: [
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
    ],
  },
  {
    title: "The audit log",
    commands: [
      eventsCommand,
      verifyCommand,
      statusCommand,
      followCommand,
      exportCommand,
      sequenceCommand,
      acceptRollbackCommand,
      vkeyCommand,
      keygenCommand,
    ],
  },
  {
    title: "The server and its store",
    commands: [
      serveCommand,
      adminCommand,
      dashboardCommand,
      statsCommand,
      healthCommand,
      metricsCommand,
      doctorCommand,
      migrateCommand,
      reindexCommand,
      backupCommand,
      drillRestoreCommand,
      healthcheckCommand,
      probeCommand,
      alertsTestCommand,
      monitoringRulesCommand,
      monitoringDashboardCommand,
      monitoringAlertmanagerCommand,
      serveWorkerCommand,
    ],
  },
  {
    title: "This program",
    commands: [
      loginCommand,
      logoutCommand,
      profilesCommand,
      whoamiCommand,
      configCommand,
      completionsCommand,
      createCompleteCommand(() => COMMANDS),
      versionCommand,
    ],
  },
];

export const COMMANDS: readonly Command[] = SECTIONS.flatMap(({ commands }) => commands);
