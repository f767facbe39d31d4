// Organizations and how well each is protected.
import { z } from "zod";
import {
  listKnownOrganizations,
  readOrganizationStatus,
  readTotals,
  type OrganizationStatus,
} from "../../control/organization-status.ts";
import { BackupError } from "../../domain/errors.ts";
import { defineEndpoint, type Call } from "../endpoint.ts";
import { cursor, limit, organizationId, organizationQuery } from "../input.ts";
import { decodeCursor, encodeCursor } from "../page.ts";

const protections = ["protected", "overdue", "failing", "never backed up", "without policy", "erased"] as const;

const statusSchema = z
  .object({
    organizationId: z.string(),
    protection: z.enum(protections),
    policies: z.number(),
    activePolicies: z.number(),
    overduePolicies: z.number(),
    lastStatus: z.string().nullable(),
    lastStartedAt: z.string().nullable(),
    lastGoodAt: z.string().nullable().meta({ description: "When the last good backup began: the recovery point" }),
    lastProvenAt: z.string().nullable(),
    lastProvenLevel: z.string().nullable(),
    failuresSinceGood: z.number(),
    lastErrorCode: z.string().nullable(),
    storedBytes: z.number(),
  })
  .loose()
  .meta({ id: "OrganizationStatus" });

const describe = (status: OrganizationStatus) => ({ ...status, protection: protectionOf(status) });

function protectionOf(status: OrganizationStatus): (typeof protections)[number] {
  if (status.erased) return "erased";
  if (status.lastGoodAt === null) return status.failuresSinceGood > 0 ? "failing" : "never backed up";
  if (status.overduePolicies > 0) return "overdue";
  if (status.failuresSinceGood > 0) return "failing";
  return status.activePolicies === 0 ? "without policy" : "protected";
}

/** Those of the source, and those that only backups remember. The second are enough when the source does not answer. */
async function visibleOrganizations(call: Pick<Call<never, never, never>, "run" | "dependencies">): Promise<string[]> {
  const [known, live] = await Promise.all([
    call.run(listKnownOrganizations),
    call.dependencies.listOrganizations().catch((error: unknown) => {
      if (error instanceof BackupError) return [];
      throw error;
    }),
  ]);
  return [...new Set([...known, ...live])].sort();
}

export const listOrganizations = defineEndpoint({
  id: "listOrganizations",
  method: "get",
  path: "/api/admin/organizations",
  action: "organization.read",
  scope: "any",
  summary: "Organizations and how well each is protected",
  query: z.strictObject({ organizationId: organizationId.optional(), limit, cursor }),
  success: {
    status: 200,
    description: "One page, by id",
    schema: z.object({ organizations: z.array(statusSchema), next: z.string().nullable() }),
  },
  async handle(call) {
    const after = decodeCursor(z.strictObject({ id: z.string() }), call.query.cursor);
    const all = call.organizationId === null ? await visibleOrganizations(call) : [call.organizationId];
    const rest = after === null ? all : all.filter((id) => id > after.id);
    const page = rest.slice(0, call.query.limit);
    const found = await call.run((bound) => readOrganizationStatus(bound, page));
    const organizations = page.flatMap((id) => found.filter((each) => each.organizationId === id).map(describe));
    const next = rest.length > page.length ? encodeCursor({ id: page.at(-1) ?? "" }) : null;
    return { status: 200, body: { organizations, next } };
  },
});

export const readOrganization = defineEndpoint({
  id: "readOrganization",
  method: "get",
  path: "/api/admin/organizations/{organizationId}",
  action: "organization.read",
  scope: "organization",
  summary: "How one organization is protected",
  params: z.strictObject({ organizationId }),
  success: { status: 200, description: "Its status", schema: statusSchema },
  refusals: ["OrganizationNotFound"],
  async handle(call) {
    const id = call.params.organizationId;
    return { status: 200, body: describe(await assertKnownOrganization(call, id)) };
  },
});

/** One that the source has, or that has backups or policies. @throws OrganizationNotFound */
export async function assertKnownOrganization(
  call: Pick<Call<never, never, never>, "run" | "dependencies">,
  id: string,
): Promise<OrganizationStatus> {
  const [status] = await call.run((bound) => readOrganizationStatus(bound, [id]));
  const isKnown = status !== undefined && (status.policies > 0 || status.lastJobId !== null);
  if (!isKnown) await assertOrganization(call, id);
  return status as OrganizationStatus;
}

/** @throws OrganizationNotFound; SourceUnreachable and its kin when that can't be told. */
export async function assertOrganization(
  { dependencies }: Pick<Call<never, never, never>, "dependencies">,
  id: string,
): Promise<void> {
  if (!(await dependencies.listOrganizations()).includes(id))
    throw new BackupError("OrganizationNotFound", "There is no such organization.");
}

const totalsSchema = z
  .object({
    organizations: z.number(),
    jobsStarted: z.number(),
    jobsGood: z.number(),
    jobsFailed: z.number(),
    successPercent: z.number().nullable(),
    storedBytes: z.number(),
    overduePolicies: z.number(),
  })
  .meta({ id: "Statistics" });

export const readStatistics = defineEndpoint({
  id: "readStatistics",
  method: "get",
  path: "/api/admin/statistics",
  action: "backup.read",
  scope: "any",
  summary: "Counts over all jobs",
  query: organizationQuery,
  success: { status: 200, description: "The counts", schema: totalsSchema },
  async handle(call) {
    const totals = await call.run((bound) => readTotals(bound, call.organizationId));
    const ended = totals.jobsGood + totals.jobsFailed;
    const successPercent = ended === 0 ? null : Math.round((10_000 * totals.jobsGood) / ended) / 100;
    return { status: 200, body: { ...totals, successPercent } };
  },
});
