// Erasure of everything that is kept of an organization's backups: what would go, the order, how far it is, its certificate.
import { z } from "zod";
import { askTemporal } from "../../client/ask-temporal.ts";
import { requestErasureRun } from "../../client/start-erasure.ts";
import { assertNoHold, countControlRows, getErasure, requestOwnErasure } from "../../control/erasures.ts";
import { readLegalHold } from "../../control/legal-hold.ts";
import { isConfirmed } from "../../domain/erase-run.ts";
import { BackupError } from "../../domain/errors.ts";
import type { ErasureRow } from "../../ports/erasure-ledger.ts";
import { defineEndpoint } from "../endpoint.ts";
import { organizationId, purpose, textOf } from "../input.ts";

const path = "/api/admin/organizations/{organizationId}/erasure";
const params = z.strictObject({ organizationId });
const remaining = z.array(z.object({ what: z.string(), why: z.string() }));
const amounts = z
  .object({ keys: z.number(), manifests: z.number(), packs: z.number(), others: z.number(), bytes: z.number() })
  .meta({ id: "StoredAmounts" });

const erasureSchema = z
  .object({
    erasureId: z.string(),
    organizationId: z.string(),
    status: z.enum(["requested", "refused", "ordered", "incomplete", "erased"]).meta({
      description: "From `ordered` on nothing of it can be read; incomplete: the store's locks keep unreadable objects",
    }),
    requestedBy: z.string(),
    requestedAt: z.string(),
    orderedAt: z.string().nullable(),
    keysDestroyedAt: z.string().nullable(),
    finishedAt: z.string().nullable(),
    remaining,
    certificate: z
      .object({
        text: z.string().meta({ description: "Canonical JSON: what was removed, when, by whom, and what remains" }),
        rootKeyId: z.string(),
        mac: z.string().meta({ description: "Check it with: wedsync-backup erase --show-certificate" }),
      })
      .nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: "Erasure" });

function describe(row: ErasureRow) {
  const { certificate: text, certificateRoot: rootKeyId, certificateMac: mac, errorCode, errorMessage } = row;
  const { erasureId, organizationId: organization, status, requestedBy, requestedAt } = row;
  return {
    erasureId,
    organizationId: organization,
    status,
    requestedBy,
    requestedAt,
    orderedAt: row.orderedAt,
    keysDestroyedAt: row.keysDestroyedAt,
    finishedAt: row.finishedAt,
    remaining: row.remaining,
    certificate: text === null ? null : { text, rootKeyId, mac },
    error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? "" },
  };
}

export const previewErasure = defineEndpoint({
  id: "previewErasure",
  method: "get",
  path: `${path}/preview`,
  action: "erasure.read",
  scope: "organization",
  summary: "What an erasure would remove, and what would refuse it",
  params,
  success: {
    status: 200,
    description: "Nothing is changed",
    schema: z.object({
      stored: amounts,
      controlRows: z.record(z.string(), z.number()),
      legalHold: z.object({ reason: z.string(), placedAt: z.string() }).nullable(),
      locks: z
        .array(z.object({ key: z.string(), kind: z.string(), until: z.string().nullable() }))
        .meta({ description: "The first of the store's own locks" }),
    }),
  },
  async handle(call) {
    const organization = call.params.organizationId;
    const { stored, locks } = await call.dependencies.backups.lookAtErasure(organization);
    const [controlRows, hold] = await call.run(async (bound) => [
      await countControlRows(bound, organization),
      await readLegalHold(bound, organization),
    ]);
    const legalHold = hold === null ? null : { reason: hold.reason, placedAt: hold.placedAt };
    return { status: 200, body: { stored, controlRows, legalHold, locks } };
  },
});

export const orderErasure = defineEndpoint({
  id: "orderErasure",
  method: "post",
  path,
  action: "organization.erase",
  scope: "organization",
  summary: "Erase everything that is kept of the organization's backups, for ever",
  params,
  body: z
    .strictObject({
      confirmation: textOf(200).meta({ description: "The organization's id once more, to the letter" }),
      leaveLocked: z.boolean().default(false).meta({
        description: "Destroy the key although the store locks objects: they stay, unreadable, until their lock ends",
      }),
      purpose,
    })
    .meta({ id: "ErasureBody" }),
  whenErased: "answered",
  success: { status: 202, description: "It is under way, or was done before", schema: erasureSchema, location: true },
  refusals: ["ErasureUnconfirmed", "LegalHoldActive"],
  async handle(call) {
    const organization = call.params.organizationId;
    const { confirmation, leaveLocked } = call.body;
    if (!isConfirmed(confirmation, organization))
      throw new BackupError("ErasureUnconfirmed", "`confirmation` must be the organization's id, to the letter.");
    const erasureId = await call.run(async (bound) => {
      await assertNoHold(bound, organization);
      return await requestOwnErasure(bound, { leaveLocked });
    });
    await askTemporal(call.client, () => requestErasureRun(call.client, { erasureId, organizationId: organization }));
    const row = await call.run((bound) => getErasure(bound, organization));
    const location = `/api/admin/organizations/${encodeURIComponent(organization)}/erasure`;
    return { status: 202, body: describe(row), headers: { Location: location } };
  },
});

export const readErasure = defineEndpoint({
  id: "readErasure",
  method: "get",
  path,
  action: "erasure.read",
  scope: "organization",
  summary: "How far the organization's erasure is, and its certificate",
  params,
  success: { status: 200, description: "The erasure", schema: erasureSchema },
  refusals: ["ErasureNotFound"],
  async handle(call) {
    const row = await call.run((bound) => getErasure(bound, call.params.organizationId));
    return { status: 200, body: describe(row) };
  },
});
