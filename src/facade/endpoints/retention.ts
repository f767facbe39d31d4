// Retention of an organization: what keeps each backup, and the legal hold.
import { z } from "zod";
import { liftLegalHold, placeLegalHold, readLegalHold } from "../../control/legal-hold.ts";
import { readRetentionFacts } from "../../control/retention-facts.ts";
import { keepRules } from "../../domain/retention.ts";
import { defineEndpoint } from "../endpoint.ts";
import { lineOfText, organizationId } from "../input.ts";
import { assertKnownOrganization } from "./organizations.ts";

const params = z.strictObject({ organizationId });

const previewSchema = z
  .object({
    organizationId: z.string(),
    legalHold: z.string().nullable().meta({ description: "Its reason; null: there is none" }),
    kept: z.number(),
    released: z.number().meta({ description: "How many would be let go now" }),
    unneededBytes: z.number().meta({ description: "Bytes of packs that no kept backup would need" }),
    backups: z.array(
      z.object({
        sequence: z.number(),
        backupId: z.string(),
        createdAt: z.string(),
        complete: z.boolean(),
        proof: z.enum(["proven", "unproven", "failed"]),
        keptBy: z
          .array(z.object({ rule: z.enum(keepRules), policy: z.string().nullable(), detail: z.string() }))
          .meta({ description: "Empty: it would be let go" }),
      }),
    ),
  })
  .meta({ id: "RetentionPreview" });

export const previewRetentionEndpoint = defineEndpoint({
  id: "previewRetention",
  method: "get",
  path: "/api/admin/organizations/{organizationId}/retention",
  action: "retention.read",
  scope: "organization",
  summary: "Each backup with the rules that keep it; changes nothing",
  params,
  success: { status: 200, description: "What retention would do now", schema: previewSchema },
  refusals: ["BackupNotFound", "RepositoryRolledBack", "ObjectMissing", "ObjectCorrupt"],
  async handle(call) {
    const organization = call.params.organizationId;
    const facts = await call.run((bound) => readRetentionFacts(bound, organization));
    return { status: 200, body: await call.dependencies.backups.previewRetention(organization, facts) };
  },
});

const holdSchema = z
  .object({
    organizationId: z.string(),
    reason: z.string(),
    placedBy: z.string(),
    placedAt: z.string(),
  })
  .meta({ id: "LegalHold" });

export const readLegalHoldEndpoint = defineEndpoint({
  id: "readLegalHold",
  method: "get",
  path: "/api/admin/organizations/{organizationId}/legal-hold",
  action: "retention.read",
  scope: "organization",
  summary: "Whether a legal hold keeps everything",
  params,
  success: {
    status: 200,
    description: "The hold",
    schema: z.object({ hold: holdSchema.nullable().meta({ description: "Null: there is none" }) }),
  },
  async handle(call) {
    const hold = await call.run((bound) => readLegalHold(bound, call.params.organizationId));
    return { status: 200, body: { hold } };
  },
});

export const placeLegalHoldEndpoint = defineEndpoint({
  id: "placeLegalHold",
  method: "put",
  path: "/api/admin/organizations/{organizationId}/legal-hold",
  action: "hold.place",
  scope: "organization",
  summary: "From now on nothing of the organization's backups is removed, by retention or by erasure",
  params,
  body: z
    .strictObject({ reason: lineOfText(500).meta({ description: "Why; kept with the hold and in the audit log" }) })
    .meta({ id: "LegalHoldBody" }),
  success: { status: 200, description: "The hold", schema: holdSchema },
  refusals: ["OrganizationNotFound"],
  async handle(call) {
    const organization = call.params.organizationId;
    await assertKnownOrganization(call, organization);
    const { subject: actor } = call.principal;
    const hold = await call.run((bound) =>
      placeLegalHold(bound, { organizationId: organization, reason: call.body.reason, actor }),
    );
    return { status: 200, body: hold };
  },
});

export const liftLegalHoldEndpoint = defineEndpoint({
  id: "liftLegalHold",
  method: "delete",
  path: "/api/admin/organizations/{organizationId}/legal-hold",
  action: "hold.lift",
  scope: "organization",
  summary: "Retention and erasure may remove again",
  params,
  success: { status: 204, description: "There is no hold" },
  async handle(call) {
    const { subject: actor } = call.principal;
    await call.run((bound) => liftLegalHold(bound, { organizationId: call.params.organizationId, actor }));
    return { status: 204 };
  },
});
