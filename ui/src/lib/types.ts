/** What the daemon's routes return, as far as the pages use it. */

export type PowerState = "offline" | "starting" | "running" | "stopping";
export type InstallState = "installing" | "ready" | "failed";

export interface Port {
  readonly ip: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  readonly container_port: number;
}

export interface Exit {
  readonly code: number | null;
  readonly oom_killed: boolean;
  readonly at: number;
  readonly crashed: boolean;
}

export interface Row {
  readonly internal_id: string;
  readonly install_state: InstallState;
  readonly state: PowerState;
  readonly image: string;
  readonly ports: readonly Port[];
  readonly quarantined: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly display_name: string | null;
  readonly volume_id: string;
  readonly exit: Exit | null;
  readonly started_at: number | null;
  readonly created_at: number;
  readonly cpu_usage?: number | null;
  readonly memory_usage?: number | null;
  readonly egg?: { readonly id: string; readonly version: string } | null;
}

export interface Limits {
  readonly memory?: number | null;
  readonly cpu?: number | null;
  readonly pids?: number | null;
}

export interface Container extends Row {
  readonly startup_command?: string;
  readonly start_pattern: string | null;
  readonly limits: Limits;
  readonly environment?: Readonly<Record<string, string>>;
  readonly install_script?: string;
  readonly user: string;
  readonly tty: boolean;
  readonly stop: { readonly type: "signal" | "command"; readonly value: string; readonly timeout: number };
  readonly restart_policy: { readonly mode: "never" | "on-crash" | "always"; readonly max: number; readonly within: number };
  readonly read_only: boolean | null;
  readonly pull: "missing" | "always" | "never";
  readonly error: string | null;
  readonly updated_at: number;
  readonly version: number;
}

export interface Accepted {
  readonly message: string;
  readonly operation_id: string;
}

export interface Operation {
  readonly operation_id: string;
  readonly kind: string;
  readonly status: "pending" | "succeeded" | "failed" | "cancelled";
  readonly error: string | null;
  readonly started_at: number;
  readonly finished_at: number | null;
}

export interface Sample {
  readonly at: number;
  readonly cpu_usage: number;
  readonly memory_usage: number;
  readonly network_rx: number;
  readonly network_tx: number;
  readonly block_read: number;
  readonly block_write: number;
  readonly uptime: number;
  readonly pids: number | null;
}

export interface Statistics {
  readonly state: PowerState;
  readonly current: (Sample & { readonly memory_limit: number }) | null;
  readonly limits: Limits;
  readonly volume: { readonly used: number | null; readonly size: number | null } | null;
  readonly step: number;
  readonly points: readonly Sample[];
}

export interface LogLine {
  readonly line: number;
  readonly text: string;
  readonly at: number | null;
  readonly partial?: boolean;
}

/** The `stats` frame of a console. */
export interface Usage {
  readonly cpu_usage: number | null;
  readonly memory_usage: number | null;
  readonly memory_limit: number | null;
  readonly network_rx: number | null;
  readonly network_tx: number | null;
  readonly block_read: number | null;
  readonly block_write: number | null;
  readonly uptime: number | null;
}
