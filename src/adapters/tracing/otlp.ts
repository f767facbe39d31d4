// Traces over OTLP/HTTP, to any OpenTelemetry collector. The other OTEL_ variables (headers, sampler, resource attributes)
// are read by OpenTelemetry itself. What can't be delivered is lost: nothing waits for a collector.
import { AsyncLocalStorage } from "node:async_hooks";
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type Span } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResourcesSync, envDetectorSync, Resource } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor, RandomIdGenerator } from "@opentelemetry/sdk-trace-base";
import { readTraceparent, writeTraceparent } from "../../domain/trace-context.ts";
import type { OpenSpan, SpanStart, Tracing } from "../../ports/tracing.ts";

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL } as const;
const exportTimeoutMs = 5_000;

export function openTracing({ endpoint, version }: { endpoint: string; version: string }): Tracing {
  const running = new AsyncLocalStorage<OpenSpan>();
  const ids = new RandomIdGenerator();
  let nextSpanId: string | null = null;
  const provider = new BasicTracerProvider({
    resource: new Resource({ "service.name": "wedsync-backup", "service.version": version }).merge(
      detectResourcesSync({ detectors: [envDetectorSync] }),
    ),
    idGenerator: {
      generateTraceId: () => ids.generateTraceId(),
      generateSpanId: () => nextSpanId ?? ids.generateSpanId(),
    },
    spanProcessors: [
      new BatchSpanProcessor(
        new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, "")}/v1/traces`, timeoutMillis: exportTimeoutMs }),
        { exportTimeoutMillis: exportTimeoutMs, scheduledDelayMillis: 1_000 },
      ),
    ],
  });
  const tracer = provider.getTracer("wedsync-backup", version);

  const start = ({ name, kind, attributes, parent }: SpanStart, startTime?: number): Span =>
    tracer.startSpan(
      name,
      { kind: kinds[kind], attributes: { ...attributes }, ...(startTime === undefined ? {} : { startTime }) },
      contextOf(parent),
    );
  const end = (span: Span, failure: string | null, endTime?: number): void => {
    // The code alone: a message may quote what it is about.
    if (failure !== null) span.setAttribute("error.type", failure).setStatus({ code: SpanStatusCode.ERROR });
    span.end(endTime);
  };

  return {
    current: () => running.getStore()?.traceparent ?? null,
    open(wanted) {
      const span = start(wanted);
      return {
        traceparent: traceparentOf(span),
        end({ failure, attributes = {} }) {
          span.setAttributes({ ...attributes });
          end(span, failure);
        },
      };
    },
    within: (span, work) => running.run(span, work),
    record({ spanId, startedAtMs, endedAtMs, failure, ...wanted }) {
      nextSpanId = spanId;
      try {
        end(start(wanted, startedAtMs), failure, endedAtMs);
      } finally {
        nextSpanId = null;
      }
    },
    close: () => provider.shutdown().catch(() => {}), // a collector that is away
  };
}

function contextOf(traceparent: string | null): Context {
  const parent = readTraceparent(traceparent);
  if (parent === null) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = parent;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
  });
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return writeTraceparent({ traceId, spanId, flags: traceFlags.toString(16).padStart(2, "0") });
}
