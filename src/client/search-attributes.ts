// Search attributes: how an operator finds runs in the Temporal Web UI. Opaque ids only; they are never encrypted.
import type { Client } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import { BackupError } from "../domain/errors.ts";

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
const keys = {
  organizationId: keyword("OrganizationId"),
  policyId: keyword("PolicyId"),
  operation: keyword("Operation"),
};

export const searchAttributeNames = [
  "OrganizationId",
  "BackupId",
  "PolicyId",
  "Operation",
  "Phase",
  "AwaitingDecision",
] as const;

export function searchAttributesOf(values: {
  organizationId: string;
  policyId: string | null;
  operation: string;
}): TypedSearchAttributes {
  return new TypedSearchAttributes([
    { key: keys.organizationId, value: values.organizationId },
    { key: keys.operation, value: values.operation },
    ...(values.policyId === null ? [] : [{ key: keys.policyId, value: values.policyId }]),
  ]);
}

const keywordType = 2;

/** Adds what is missing. @throws TemporalUnavailable when something is missing and the server won't let us add it. */
export async function ensureSearchAttributes({ connection }: Client, namespace: string): Promise<void> {
  const known = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = searchAttributeNames.filter((name) => known.customAttributes?.[name] === undefined);
  if (missing.length === 0) return;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, keywordType])),
    });
  } catch (error) {
    if ((error as { code?: number }).code === 6) return; // another process was first
    throw new BackupError(
      "TemporalUnavailable",
      `The Temporal namespace ${namespace} lacks the search attributes ${missing.join(", ")}. Add them as Keyword (temporal operator search-attribute create).`,
      {},
      { cause: error },
    );
  }
}
