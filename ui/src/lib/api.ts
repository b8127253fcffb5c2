/** Requests to the daemon. */

import { BASE } from "./base";
import { signOut, token } from "./session";

const MEDIA = "Application/vnd.pkglatv1+json";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly body: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

export function headers(): Record<string, string> {
  return { Authorization: `Bearer ${token.value ?? ""}`, Accept: MEDIA };
}

export interface Options {
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  readonly raw?: Blob | string;
}

export function toUrl(path: string, query: Options["query"] = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return BASE + path + (search === "" ? "" : `?${search}`);
}

/** Return a response with status 2xx; raises `ApiError`, with status 0 if there was no response. */
export async function send(method: string, path: string, options: Options = {}): Promise<Response> {
  const used = token.value;
  const init: RequestInit = { method, headers: { ...headers(), ...options.headers }, cache: "no-store" };
  if (options.signal !== undefined) init.signal = options.signal;
  if (options.raw !== undefined) init.body = options.raw;
  else if (options.body !== undefined) init.body = JSON.stringify(options.body);
  let response: Response;
  try {
    response = await fetch(toUrl(path, options.query), init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The daemon does not answer");
  }
  if (response.ok) return response;
  const error = await toError(response);
  if (error.status === 401 && used === token.value) signOut("The token is not valid, or has expired.");
  throw error;
}

export async function toError(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  return errorOf(response.status, body);
}

export function errorOf(status: number, body: Readonly<Record<string, unknown>>): ApiError {
  const message = typeof body["error"] === "string" ? body["error"] : `The daemon answered with status ${String(status)}`;
  return new ApiError(status, typeof body["code"] === "string" ? body["code"] : "unknown", message, body);
}

export async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  return (await (await send(method, path, options)).json()) as T;
}

export function toMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Return whether trying again later can help. */
export function isPassing(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status === 503);
}

export const container = (id: string): string => `/containers/${encodeURIComponent(id)}`;
