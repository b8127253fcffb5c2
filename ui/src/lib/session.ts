/** Who is signed in: the token, and what it may do. The token is only kept for this tab. */

import { signal } from "@preact/signals";

import { NEEDS, type RouteName } from "./scopes";
import { toToken } from "./route";

const KEY = "lightd.token";

export interface Self {
  /** `master`, or the id of a minted token. */
  readonly id: string;
  readonly master: boolean;
  readonly expires_at: string | null;
  /** Null: all. */
  readonly containers: readonly string[] | null;
  readonly permissions: readonly string[] | null;
}

export const token = signal<string | null>(null);
export const self = signal<Self | null>(null);
/** Why the last session ended, for the sign-in page. */
export const ended = signal<string | null>(null);

/** Take the token from the fragment of the address, which is removed at once, or the one of this tab. */
export function readToken(): void {
  const given = toToken(location.hash);
  if (location.hash.startsWith("#t=")) history.replaceState(history.state, "", location.pathname + location.search);
  if (given !== null) sessionStorage.setItem(KEY, given);
  token.value = given ?? sessionStorage.getItem(KEY);
}

export function signIn(value: string): void {
  sessionStorage.setItem(KEY, value);
  [ended.value, token.value] = [null, value];
}

export function signOut(reason: string | null): void {
  sessionStorage.removeItem(KEY);
  [token.value, self.value, ended.value] = [null, null, reason];
}

/** Return whether the token may use a route, as far as that does not depend on its subject. */
export function may(route: RouteName): boolean {
  const me = self.value;
  if (me === null) return false;
  const { permission, node } = NEEDS[route];
  if (me.master) return true;
  if (permission === "the master token") return false;
  if (node && me.containers !== null) return false;
  if (permission === "any token" || permission === "nothing") return true;
  return me.permissions === null || me.permissions.includes(permission);
}
