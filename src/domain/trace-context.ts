// Which span something belongs to, as W3C Trace Context writes it, so that it can travel in the headers of a workflow.
// Workflows read it, so nothing here draws an id: a workflow's span has the second half of its run id.

/** Of a workflow's and an activity's headers. */
export const traceHeader = "traceparent";

export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  /** Two hex digits; the last bit says that the trace is kept. */
  readonly flags: string;
}

const form = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Null for what is not one. */
export function readTraceparent(text: unknown): TraceContext | null {
  const [, traceId, spanId, flags] = (typeof text === "string" ? form.exec(text) : null) ?? [];
  return traceId === undefined || spanId === undefined || flags === undefined ? null : { traceId, spanId, flags };
}

export const writeTraceparent = ({ traceId, spanId, flags }: TraceContext): string =>
  `00-${traceId}-${spanId}-${flags}`;

/** The same in every replay. */
export const workflowSpanId = (runId: string): string => runId.replaceAll("-", "").slice(16).toLowerCase();

/** A workflow's run that has ended, as it tells it to its worker. */
export interface EndedRun {
  readonly parent: string;
  readonly spanId: string;
  readonly workflowType: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Null: it went well. */
  readonly failure: string | null;
}
