// Who asks, and what anybody may know of somebody else. Pure.

import { isAtLeast, type Role } from "./role.ts";

/** Who looks. */
export interface Viewer {
  readonly userId: number | null;
  readonly role: Role;
}

/** Who asks for a change, and through which door. */
export interface Caller extends Viewer {
  readonly keyId: number | null;
  /** The front door: `http`, `cli:uid-N` (the operator's user id on the host), `import:uid-N` or `serve`. */
  readonly via: string;
  readonly requestId: string | null;
  /** Where the request came from, where events are to hold that. */
  readonly client?: string;
}

/** What is an admin's business and that of whoever it is about. */
export function mayKnow(viewer: Viewer, ownerId: unknown): boolean {
  return isAtLeast(viewer.role, "admin") || (viewer.userId !== null && viewer.userId === ownerId);
}
