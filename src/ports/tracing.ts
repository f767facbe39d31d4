// Spans for whoever collects traces. They leave the house: names are those of routes, workflows and activities, attributes
// are ids, codes and counts; never a message of an error, a path as it was asked for, or anything out of a row.
export type SpanAttributes = Readonly<Record<string, string | number>>;

export interface SpanStart {
  readonly name: string;
  readonly kind: "server" | "client" | "internal";
  readonly attributes: SpanAttributes;
  /** A traceparent; null begins a trace. */
  readonly parent: string | null;
}

export interface OpenSpan {
  /** For what is asked of others on behalf of it. */
  readonly traceparent: string;
  end(outcome: { readonly failure: string | null; readonly attributes?: SpanAttributes }): void;
}

export interface Tracing {
  /** The traceparent of the span that the caller runs in; null outside of any. */
  current(): string | null;
  open(start: SpanStart): OpenSpan;
  /** What `work` starts, now and later, runs in the span. */
  within<T>(span: OpenSpan, work: () => T): T;
  /** One that is over, under an id that others have named as their parent already. */
  record(
    span: SpanStart & {
      readonly spanId: string;
      readonly startedAtMs: number;
      readonly endedAtMs: number;
      readonly failure: string | null;
    },
  ): void;
  /** Sends what is left, for a few seconds at most. */
  close(): Promise<void>;
}
