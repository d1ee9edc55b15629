// What can be done about links that do harm on the screen, as actions with their forms.

import { log } from "@clack/prompts";
import { badRequest, messageOf } from "../../errors.ts";
import type { Incident } from "../../model/incident.ts";
import { checkMatch, describeMatch, type IncidentMatch } from "../../model/incident-match.ts";
import type { Role } from "../../model/role.ts";
import { sleep, systemClock } from "../../runtime/clock.ts";
import { systemFiles } from "../../runtime/files.ts";
import type { Client } from "../client.ts";
import {
  closeIncident,
  openIncident,
  type Progress,
  previewIncident,
  readReport,
  takeDownMore,
  undoTakeDown,
} from "../incident-requests.ts";
import { findUserId } from "../names.ts";
import { countOf, printable } from "../text.ts";
import { askChoice, askReason, askText, askWhether, askYesNo, begin, untilTaken } from "./ask.ts";
import type { Action, Screen } from "./tab.ts";

export function incidentActions(
  screen: Screen,
  incident: Incident | undefined,
  onOpened: (id: number) => void,
): readonly Action[] {
  const action = (key: string, name: string, run: () => Promise<string>, needs: Role = "editor"): Action => ({
    key,
    name,
    needs,
    run: () => screen.form(run),
  });
  return [
    action("t", "Take links down", () => takeDownForm(screen.client, onOpened)),
    ...(incident === undefined
      ? []
      : [
          ...(incident.is_open
            ? [
                action("m", "Take more down", () => goOnForm(screen.client, incident)),
                action("c", "Close", () => closeForm(screen.client, incident)),
              ]
            : []),
          action("u", "Undo", () => undoForm(screen.client, incident)),
          action("p", "Report to a file", () => reportForm(screen.client, incident), "reader"),
        ]),
  ];
}

const KINDS = [
  { value: "host_suffix", label: "a domain, and every host below it" },
  { value: "host", label: "one host" },
  { value: "glob", label: "targets that look like a pattern" },
  { value: "tag", label: "a tag" },
  { value: "owner", label: "a user's links" },
  { value: "codes", label: "single links, by their codes" },
] as const;
type Kind = (typeof KINDS)[number]["value"];

interface TakeDownForm {
  readonly kind: Kind;
  readonly what: string;
  readonly reason: string;
}

/** `first` is what is known already of what is to be taken down. */
export async function takeDownForm(
  client: Client,
  onOpened: (id: number) => void,
  first: Partial<TakeDownForm> = {},
): Promise<string> {
  begin("Take links down");
  const ask = async (typed: Partial<TakeDownForm>): Promise<TakeDownForm> => {
    const kind = await askChoice<Kind>("What do they have in common?", KINDS, typed.kind);
    return {
      kind,
      what: await askText({
        message: "Which?",
        placeholder: {
          host_suffix: "evil.example",
          host: "login.evil.example",
          glob: "https://*.evil.example/login*",
          tag: "promo",
          owner: "ada",
          codes: "sale, winter",
        }[kind],
        initial: typed.what,
        isNeeded: true,
        check: async (what) => checkMatch(await matchOf(client, kind, what)),
      }),
      reason: await askText({
        message: "Why? It is kept in the audit log",
        placeholder: "phishing",
        initial: typed.reason,
        isNeeded: true,
      }),
    };
  };
  const { match, reason, preview } = await untilTaken(
    ask,
    async ({ kind, what, reason: why }) => {
      const found = await matchOf(client, kind, what);
      return { match: found, reason: why, preview: await previewIncident(client, { match: found, reason: why }) };
    },
    first,
  );
  log.info(`${countOf(preview.links, "active ")} ${preview.links === 1 ? "matches" : "match"}; the newest:`);
  for (const { short_code, original_url } of preview.newest) log.message(printable(`${short_code}  ${original_url}`));
  const hold = await askYesNo("Refuse to make, or bring back, what matches, until the incident is closed?", true);
  await askWhether(`Take down ${countOf(preview.links, "active ")}?`);
  const opened = await openIncident(client, { match, reason, hold });
  onOpened(opened.incident.id);
  const done = await repeat(opened, () => takeDownMore(client, String(opened.incident.id)));
  return `incident ${done.incident.id}: took down ${countOf(done.incident.taken)}; u undoes it`;
}

async function matchOf(client: Client, kind: Kind, what: string): Promise<IncidentMatch> {
  if (kind === "owner") return { owner: (await findUserId(client, what)) as number };
  return kind === "codes" ? { codes: what.split(/[\s,]+/).filter((code) => code !== "") } : { [kind]: what };
}

/** Until nothing is left; what was begun before a hold is looked for once more. */
async function repeat(first: Progress, more: () => Promise<Progress>): Promise<Progress> {
  let last = first;
  while (!last.settled) {
    if (last.again_ms > 0 && (last.left === 0 || last.changed === 0)) {
      log.step(
        `all that match are down now; looking once more in ${Math.ceil(last.again_ms / 1_000)} s, for those that were being made`,
      );
      await sleep(systemClock, last.again_ms);
    } else log.step(`${countOf(last.left)} left`);
    last = await more();
  }
  return last;
}

async function goOnForm(client: Client, { id, match }: Incident): Promise<string> {
  begin(`Go on with incident ${id}`);
  await askWhether(`Take down what matches by now: ${describeMatch(match)}?`);
  const more = () => takeDownMore(client, String(id));
  const done = await repeat(await more(), more);
  return `incident ${id}: ${countOf(done.incident.taken - done.incident.undone)} down for it`;
}

async function undoForm(client: Client, { id, taken, undone }: Incident): Promise<string> {
  begin(`Undo incident ${id}`);
  await askWhether(`Bring back the ${countOf(taken - undone)} that it took down? It stays open until it is closed.`);
  const more = () => undoTakeDown(client, String(id));
  const done = await repeat(await more(), more);
  return `incident ${id}: ${countOf(done.incident.undone)} brought back`;
}

async function closeForm(client: Client, { id, hold }: Incident): Promise<string> {
  begin(`Close incident ${id}`);
  const reason = await askReason();
  await askWhether(`Close it?${hold ? " Its hold ends." : ""} What it took stays down.`);
  await closeIncident(client, String(id), reason);
  return `closed incident ${id}`;
}

async function reportForm(client: Client, { id }: Incident): Promise<string> {
  begin(`Report of incident ${id}`);
  const text = await readReport(client, String(id), "markdown");
  let written = "";
  await askText({
    message: "Into which file?",
    initial: `incident-${id}.md`,
    isNeeded: true,
    check: (path) => {
      try {
        systemFiles.create(path, text);
        written = path;
      } catch (error) {
        throw badRequest(`cannot write ${path}: ${messageOf(error)}`);
      }
    },
  });
  return `wrote ${written}`;
}
