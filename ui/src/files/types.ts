export interface Entry {
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  readonly modified_at: number;
  readonly mode: string;
}

export interface Quota {
  readonly size_mb: number | null;
  readonly used_mb: number | null;
  readonly percentage_used: number | null;
}

export interface Job {
  readonly operation_id: string;
  readonly kind: string;
  readonly status: "pending" | "succeeded" | "failed" | "cancelled";
  readonly bytes: number;
  readonly error: string | null;
  readonly started_at: number;
  readonly finished_at: number | null;
}
