// What is shown to whom: an email to admins and its owner, a key's name to admins and the key's owner, all else to every role.

import type { Actor, State, SubjectType } from "./event.ts";
import { isAtLeast, type Key, type Role } from "./key.ts";
import type { User } from "./user.ts";

/** Who looks. */
export interface Viewer {
  readonly userId: number | null;
  readonly role: Role;
}

/** A user as somebody may see it: without an email where that is none of theirs. */
export type VisibleUser = Omit<User, "email"> & { readonly email: string | null };

export function showUser(viewer: Viewer, user: User): VisibleUser {
  return mayKnow(viewer, user.id) ? user : { ...user, email: null };
}

/** A key as somebody may see it; others know it by its owner and number, such as `ada (key 3)`. */
export function showKey(viewer: Viewer, key: Key, username: string): Key {
  return mayKnow(viewer, key.user_id) ? key : { ...key, name: `${username} (key ${key.id})` };
}

/** The state of any subject, with what the viewer may not know taken out. */
export function showState(viewer: Viewer, type: SubjectType, state: State): State {
  if (type === "user" && !mayKnow(viewer, state.id)) return { ...state, email: null };
  if (type === "key" && !mayKnow(viewer, state.user_id)) return { ...state, name: `key ${state.id}` };
  return state;
}

/** Who did something; from where is for admins and for whoever it was. */
export function showActor(viewer: Viewer, actor: Actor): Record<string, unknown> {
  const { user_id, key_id, via, client } = actor;
  const isShown = client !== undefined && mayKnow(viewer, user_id);
  return { user_id, key_id, via, ...(isShown ? { client } : {}) };
}

/** Whether the disclosure of an actor may be shown as it is. */
export function mayReadActor(viewer: Viewer, actor: Actor | null): boolean {
  return actor?.client === undefined || mayKnow(viewer, actor.user_id);
}

/** Whether a disclosure of a state, which holds all of it, may be shown as it is: a key's has the key's hash. */
export function mayReadDisclosure(viewer: Viewer, type: SubjectType, subjectId: number): boolean {
  return type === "url" || (type === "user" ? mayKnow(viewer, subjectId) : isAtLeast(viewer.role, "admin"));
}

function mayKnow(viewer: Viewer, ownerId: unknown): boolean {
  return isAtLeast(viewer.role, "admin") || (viewer.userId !== null && viewer.userId === ownerId);
}
