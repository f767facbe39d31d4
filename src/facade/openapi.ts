// The OpenAPI 3.1 document, made from the endpoints and their zod schemas.
import { z } from "zod";
import { createDocument } from "zod-openapi";
import { errorTable, type ErrorCode } from "../domain/errors.ts";
import { isRefusedWhenErased, isSafe, type Endpoint } from "./endpoint.ts";
import { hourlyLimits } from "./rate-limits.ts";
import { idempotencyKeyHeader, ifMatchHeader, lastEventIdHeader } from "./request-headers.ts";

const problemSchema = z
  .object({
    type: z.string().meta({ description: "urn:wedsync-backup:problem:<code>" }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]),
    requestId: z.string(),
    faults: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: "Problem", description: "RFC 9457" });

/** What any endpoint can answer. */
const general: readonly ErrorCode[] = [
  "UsageInvalid",
  "Unauthenticated",
  "Forbidden",
  "OrganizationNotFound",
  "Internal",
  "ControlDatabaseUnreachable",
  "AuditUnavailable",
];

export function refusalsOf(endpoint: Endpoint): ErrorCode[] {
  const codes = new Set<ErrorCode>([...general, ...(endpoint.refusals ?? [])]);
  if (endpoint.body !== undefined || !isSafe(endpoint.method)) codes.add("RequestTooLarge").add("MediaTypeUnsupported");
  if ([endpoint.params, endpoint.query, endpoint.body].some((input) => input !== undefined)) codes.add("ValueInvalid");
  if (isRefusedWhenErased(endpoint)) codes.add("OrganizationErased");
  if (!isSafe(endpoint.method)) codes.add("IdempotencyKeyInUse").add("IdempotencyKeyReused");
  if (endpoint.limit !== undefined) codes.add("RateLimited").add("RateLimiterUnavailable");
  return [...codes];
}

const figure = { schema: { type: "integer" as const, minimum: 0 } };
const allowanceHeaders = { "RateLimit-Limit": figure, "RateLimit-Remaining": figure, "RateLimit-Reset": figure };
const problemHeaders: Readonly<Record<number, object>> = {
  401: { "WWW-Authenticate": { schema: { type: "string" } } },
  429: { ...allowanceHeaders, "Retry-After": figure },
  503: { "Retry-After": figure },
};

function operationOf(endpoint: Endpoint) {
  const { success } = endpoint;
  const headers = {
    ...(success.location === true && { Location: { schema: { type: "string" as const } } }),
    ...(success.etag === true && { ETag: { schema: { type: "string" as const } } }),
    ...(endpoint.limit !== undefined && allowanceHeaders),
  };
  const content =
    success.contentType !== undefined
      ? { [success.contentType]: { schema: success.schema ?? z.string() } }
      : success.schema === undefined
        ? undefined
        : { "application/json": { schema: success.schema } };
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of refusalsOf(endpoint))
    byStatus.set(errorTable[code].httpStatus, [...(byStatus.get(errorTable[code].httpStatus) ?? []), code]);
  const problems = [...byStatus].map(([status, codes]) => [
    String(status),
    {
      description: codes.join(", "),
      headers: problemHeaders[status],
      content: { "application/problem+json": { schema: problemSchema } },
    },
  ]);
  const header = z.object({
    ...(!isSafe(endpoint.method) && { "Idempotency-Key": idempotencyKeyHeader.optional() }),
    ...(endpoint.conditional === true && { "If-Match": ifMatchHeader.optional() }),
    ...(success.contentType === "text/event-stream" && { "Last-Event-ID": lastEventIdHeader.optional() }),
  });
  const limit =
    endpoint.limit === undefined
      ? ""
      : ` At most ${hourlyLimits[endpoint.limit]} an hour for each admin and organization.`;
  return {
    operationId: endpoint.id,
    summary: endpoint.summary,
    description: `Needs the right \`${endpoint.action}\`.${limit}`,
    security: [{ token: [] }, { session: [] }],
    requestParams: {
      ...(endpoint.params && { path: endpoint.params }),
      ...(endpoint.query && { query: endpoint.query }),
      ...(Object.keys(header.shape).length > 0 && { header }),
    },
    ...(endpoint.body && {
      requestBody: {
        required: !endpoint.body.safeParse({}).success,
        content: { "application/json": { schema: endpoint.body } },
      },
    }),
    responses: {
      [String(success.status)]: {
        description: success.description,
        ...(Object.keys(headers).length > 0 && { headers }),
        ...(content && { content }),
      },
      ...Object.fromEntries(problems),
    },
  };
}

export function openApiDocument(endpoints: readonly Endpoint[]) {
  const paths: Record<string, Record<string, ReturnType<typeof operationOf>>> = {};
  for (const endpoint of endpoints) {
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method]: operationOf(endpoint) };
  }
  return createDocument({
    openapi: "3.1.0",
    info: {
      title: "wedsync-backup",
      version: "1.0.0",
      description:
        "Backups of the organizations of a shared Postgres. The organization is the token's; only a platform admin names one (`organizationId`). What belongs to another organization is not there (404).",
    },
    servers: [{ url: "/" }],
    components: {
      securitySchemes: {
        token: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
        session: { type: "apiKey", in: "cookie", name: "wedsync_session" },
      },
    },
    paths,
  });
}
