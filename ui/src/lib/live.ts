/** A WebSocket to the daemon that connects again, for as long as the token is valid and the subject exists. */

import { signal, type Signal } from "@preact/signals";

import { ApiError, call } from "./api";
import { toDelay } from "./backoff";
import { BASE } from "./base";
import { signOut, token } from "./session";

export type Status = "connecting" | "open" | "waiting" | "deleted" | "refused";

export type Frame = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Handlers {
  /** The query of the next handshake. */
  readonly query: () => Readonly<Record<string, number>>;
  readonly frame: (frame: Frame) => void;
  readonly opened?: () => void;
}

export class Live {
  readonly status: Signal<Status> = signal<Status>("connecting");
  /** How often the connection was lost. */
  readonly losses = signal(0);
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private attempt = 0;
  private stopped = false;

  constructor(
    private readonly path: string,
    private readonly handlers: Handlers,
  ) {
    addEventListener("online", this.hurry);
    addEventListener("offline", this.drop);
    document.addEventListener("visibilitychange", this.hurry);
    this.connect();
  }

  close(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.hurry);
    removeEventListener("offline", this.drop);
    document.removeEventListener("visibilitychange", this.hurry);
    this.socket?.close();
    this.socket = null;
  }

  /** Send a frame; returns false if there is no connection. */
  send(frame: Frame): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  private readonly hurry = (): void => {
    if (this.status.value !== "waiting" || document.visibilityState !== "visible") return;
    clearTimeout(this.timer);
    this.connect();
  };

  private readonly drop = (): void => {
    const socket = this.socket;
    if (socket === null) return;
    socket.close();
    this.lost(socket, 1006, "");
  };

  private connect(): void {
    if (this.stopped) return;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(this.handlers.query())) query.set(name, String(value));
    const address = new URL(`${BASE}${this.path}?${query.toString()}`, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    this.status.value = "connecting";
    const socket = new WebSocket(address, [`lightd.${token.value ?? ""}`]);
    this.socket = socket;
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.status.value = "open";
      this.handlers.opened?.();
    };
    socket.onmessage = (message: MessageEvent<string>) => {
      if (socket === this.socket) this.handlers.frame(JSON.parse(message.data) as Frame);
    };
    socket.onclose = (event) => {
      this.lost(socket, event.code, event.reason);
    };
  }

  private lost(socket: WebSocket, code: number, reason: string): void {
    if (socket !== this.socket || this.stopped) return;
    this.socket = null;
    this.losses.value += 1;
    const wasOpen = this.status.value === "open";
    if (code === 4401) {
      signOut(`The session has ended: ${reason === "" ? "the token is no longer valid" : reason}.`);
      return;
    }
    if (code === 4404) {
      this.status.value = "deleted";
      return;
    }
    if (wasOpen) this.attempt = 0;
    this.status.value = "waiting";
    if (!wasOpen) void this.inquire();
    this.timer = setTimeout(() => {
      this.connect();
    }, toDelay(this.attempt, Math.random()));
    this.attempt += 1;
  }

  /** Find out why a handshake failed, which a browser does not tell: a bad token signs out. */
  private async inquire(): Promise<void> {
    try {
      await call("GET", this.path === "/ws" ? "/auth/self" : this.path.replace("/ws/", "/containers/"));
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        clearTimeout(this.timer);
        this.status.value = "deleted";
      }
    }
  }
}
