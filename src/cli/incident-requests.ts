// What a client can ask about incidents.

import type { Static } from "@sinclair/typebox";
import { unavailable } from "../errors.ts";
import type { Heard } from "../http/heard.ts";
import type { NewIncidentBody } from "../http/incidents.ts";
import { LIMITS } from "../limits.ts";
import type { Incident } from "../model/incident.ts";
import type { IncidentPreview, IncidentProgress } from "../operations/incidents.ts";
import { type Client, getBytes, unwrap, unwrapPage } from "./client.ts";
import { type Page, pagesOf, segment } from "./requests.ts";

export type Progress = IncidentProgress & { readonly heard?: Heard };
export type Preview = IncidentPreview;
type Asked = Static<typeof NewIncidentBody>;

/** The answer comes once every replica has heard, so far as that takes no longer than the server waits. */
const WAITING = { headers: { prefer: `wait=${LIMITS.feedWaitS}` } };

export async function previewIncident({ api }: Client, asked: Asked): Promise<Preview> {
  const answer = await unwrap(api.api.incidents.post({ ...asked, dry_run: true }));
  if (!("preview" in answer)) throw unavailable("the server did not answer as deadletter does");
  return answer.preview;
}

export async function openIncident({ api }: Client, asked: Asked): Promise<Progress> {
  const answer = await unwrap(api.api.incidents.post(asked, WAITING));
  if ("preview" in answer) throw unavailable("the server did not answer as deadletter does");
  return answer;
}

export function takeDownMore({ api }: Client, id: string): Promise<Progress> {
  return unwrap(api.api.incidents({ incident: segment(id) }).act.post(undefined, WAITING));
}

/** All of it, or only links that are named. */
export function undoTakeDown({ api }: Client, id: string, codes: readonly string[] = []): Promise<Progress> {
  const body = codes.length === 0 ? {} : { codes: [...codes] };
  return unwrap(api.api.incidents({ incident: segment(id) }).undo.post(body, WAITING));
}

export function closeIncident({ api }: Client, id: string, reason: string | undefined): Promise<Incident> {
  return unwrap(api.api.incidents({ incident: segment(id) }).close.post(reason === undefined ? {} : { reason }));
}

export function listIncidents({ api }: Client, limit: number): AsyncGenerator<Page<Incident>> {
  return pagesOf(limit, (page) => unwrapPage(api.api.incidents.get({ query: page })));
}

export function showIncident({ api }: Client, id: string): Promise<Incident> {
  return unwrap(api.api.incidents({ incident: segment(id) }).get());
}

export async function readReport(client: Client, id: string, format: "json" | "markdown"): Promise<string> {
  const bytes = await getBytes(client, `/api/incidents/${segment(id)}/report?format=${format}`);
  const text = new TextDecoder().decode(bytes);
  return text.endsWith("\n") ? text : `${text}\n`;
}
