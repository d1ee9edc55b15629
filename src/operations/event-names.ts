// What events name by number, by the names of now: links by their codes, users and keys by theirs, so far as the viewer may know.

import { actorOf } from "../audit/event.ts";
import { mayKnow, type Viewer } from "../model/caller.ts";
import type { Actor, EventKey, EventRow } from "../model/event.ts";
import { KEY, type KeyRow, keyFromRow, showKey } from "../model/key.ts";
import type { SubjectRow } from "../model/subject.ts";
import { stateFromRow } from "../model/subject.ts";
import { SUBJECTS } from "../model/subjects.ts";
import { USER, type UserRow } from "../model/user.ts";
import { findSubjects } from "../store/queries/subjects.ts";
import type { Sql } from "../store/store.ts";

export interface EventNames {
  /** Null for a subject that has no name, or is gone. */
  ofSubject(event: EventKey): string | null;
  /** `ada (laptop)`, or the front door where no user came through it; null where who did it was erased. */
  ofActor(actor: Actor | null): string | null;
}

/** Reads each row that the events name once: at most as many of a kind as there are events, and the users of keys. */
export async function readNames(sql: Sql, events: readonly EventRow[], viewer: Viewer): Promise<EventNames> {
  const actors = events.flatMap(({ actor }) => actorOf(actor) ?? []);
  const rows = new Map<string, Map<number, SubjectRow>>();
  const read = async (type: string, ids: Iterable<number>) => {
    const subject = SUBJECTS.find((each) => each.type === type);
    const wanted = [...new Set(ids)];
    const found = subject && wanted.length > 0 ? await findSubjects(sql, subject, wanted) : [];
    rows.set(type, new Map(found.map((row) => [row.id, row])));
  };
  for (const { type } of SUBJECTS) {
    if (type === USER.type) continue;
    const subjects = events.filter(({ subject_type }) => subject_type === type).map(({ subject_id }) => subject_id);
    await read(type, type === KEY.type ? [...subjects, ...actors.flatMap(({ key_id }) => key_id ?? [])] : subjects);
  }
  const keys = [...(rows.get(KEY.type)?.values() ?? [])] as KeyRow[];
  const users = events.filter(({ subject_type }) => subject_type === USER.type).map(({ subject_id }) => subject_id);
  await read(USER.type, [
    ...users,
    ...keys.map(({ user_id }) => user_id),
    ...actors.flatMap(({ user_id }) => user_id ?? []),
  ]);

  const userOf = (id: number) => rows.get(USER.type)?.get(id) as UserRow | undefined;
  const keyOf = (id: number) => rows.get(KEY.type)?.get(id) as KeyRow | undefined;
  const nameOfKey = (row: KeyRow) => showKey(viewer, keyFromRow(row), userOf(row.user_id)?.username ?? "").name;
  // Others know a key by its number alone, and its owner stands before it anyway.
  const nameBehindUser = ({ id, name, user_id }: KeyRow) => (mayKnow(viewer, user_id) ? name : `key ${id}`);
  return {
    ofSubject({ subject_type, subject_id }) {
      const row = rows.get(subject_type)?.get(subject_id);
      if (row === undefined) return null;
      if (subject_type === KEY.type) return nameOfKey(row as KeyRow);
      const subject = SUBJECTS.find(({ type }) => type === subject_type);
      return subject?.nameOf(stateFromRow(subject, row)) ?? null;
    },
    ofActor(actor) {
      if (actor === null) return null;
      const user = actor.user_id === null ? undefined : userOf(actor.user_id);
      if (user === undefined) return actor.user_id === null ? actor.via : `user ${actor.user_id}`;
      const key = actor.key_id === null ? undefined : keyOf(actor.key_id);
      return key === undefined ? user.username : `${user.username} (${nameBehindUser(key)})`;
    },
  };
}
