// All kinds of subjects there are: the one list that everything which must know of each of them reads. Pure.

import { INCIDENT } from "./incident.ts";
import { KEY } from "./key.ts";
import { LINK } from "./link-subject.ts";
import { LOG } from "./log.ts";
import type { Subject } from "./subject.ts";
import { USER } from "./user.ts";

/** In the order in which a transaction locks their rows. */
export const SUBJECTS: readonly Subject[] = [USER, KEY, LINK, LOG, INCIDENT];

/** The definition of a type as rows and leaves name it; undefined for one that this release does not know. */
export function subjectOf(type: string): Subject | undefined {
  return SUBJECTS.find((subject) => subject.type === type);
}
