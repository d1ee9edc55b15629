// What a client can ask about users, their keys, and itself.

import type { Static } from "@sinclair/typebox";
import type { Holder, UserWithLinks } from "../http/users.ts";
import type { Key, KeyWithSecret } from "../model/key.ts";
import type { Role } from "../model/role.ts";
import type { User, UserEdit, VisibleUser } from "../model/user.ts";
import type { OwnedLinks } from "../operations/deactivate.ts";
import type { ErasureReport } from "../operations/erase.ts";
import { type Client, unwrap, unwrapPage } from "./client.ts";
import { type Page, pagesOf, segment } from "./requests.ts";

export function createUser({ api }: Client, user: { username: string; email: string }): Promise<User> {
  return unwrap(api.users.post(user));
}

export function listUsers({ api }: Client, limit: number): AsyncGenerator<Page<VisibleUser>> {
  return pagesOf(limit, (page) => unwrapPage(api.users.get({ query: page })));
}

export function showUser({ api }: Client, id: string): Promise<Static<typeof UserWithLinks>> {
  return unwrap(api.users({ user: segment(id) }).get());
}

export function editUser({ api }: Client, id: string, edit: Static<typeof UserEdit>): Promise<User> {
  return unwrap(api.users({ user: segment(id) }).put(edit));
}

export function deactivateUser(
  { api }: Client,
  id: string,
  options: { reason?: string; hand_over_to?: number },
): Promise<User & { links: OwnedLinks }> {
  return unwrap(api.users({ user: segment(id) }).delete(options));
}

export function restoreUser({ api }: Client, id: string, reason: string | undefined): Promise<User> {
  return unwrap(api.users({ user: segment(id) }).restore.post(reason === undefined ? {} : { reason }));
}

export function createKey(
  { api }: Client,
  userId: string,
  key: { name: string; role: Role; expires_at?: string },
): Promise<KeyWithSecret> {
  return unwrap(api.users({ user: segment(userId) }).keys.post(key));
}

export function whoAmI({ api }: Client): Promise<Holder> {
  return unwrap(api.whoami.get());
}

export function listKeys({ api }: Client, userId: string): Promise<Key[]> {
  return unwrap(api.users({ user: segment(userId) }).keys.get());
}

export function revokeKey({ api }: Client, userId: string, keyId: string, reason: string | undefined): Promise<Key> {
  return unwrap(
    api
      .users({ user: segment(userId) })
      .keys({ key: segment(keyId) })
      .delete(reason === undefined ? {} : { reason }),
  );
}

export function eraseUser(
  { api }: Client,
  id: string,
  options: { reason?: string; dry_run?: boolean },
): Promise<ErasureReport> {
  return unwrap(api.users({ user: segment(id) }).erase.post(options));
}
