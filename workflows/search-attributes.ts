// A child workflow inherits no search attributes. The same names as src/client/search-attributes.ts.
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import type { BackupRequest } from "../src/domain/backup-request.ts";

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
const keys = {
  organizationId: keyword("OrganizationId"),
  policyId: keyword("PolicyId"),
  operation: keyword("Operation"),
};

export function searchAttributesOf(
  { organizationId, policyId }: Pick<BackupRequest, "organizationId" | "policyId">,
  operation: "backup" | "prune" = "backup",
): TypedSearchAttributes {
  return new TypedSearchAttributes([
    { key: keys.organizationId, value: organizationId },
    { key: keys.operation, value: operation },
    ...(policyId === null ? [] : [{ key: keys.policyId, value: policyId }]),
  ]);
}
