/**
 * What hosted's extension supautils decides about a statement of the role `postgres`: policies and triggers on
 * some of the platform's tables may be changed by it although it does not own them; platform roles may not.
 */
import type { Node } from "libpg-query";

export interface Statement {
  readonly node: Node;
  readonly text: string;
  readonly line: number;
}

const policyTables = new Set([
  "auth.audit_log_entries",
  "auth.flow_state",
  "auth.identities",
  "auth.refresh_tokens",
  "auth.sessions",
  "auth.users",
  "realtime.messages",
  "storage.buckets",
  "storage.objects",
]);

const reservedRoles = new Set([
  "anon",
  "authenticated",
  "authenticator",
  "dashboard_user",
  "pgbouncer",
  "service_role",
  "supabase_admin",
  "supabase_auth_admin",
  "supabase_etl_admin",
  "supabase_functions_admin",
  "supabase_read_only_user",
  "supabase_realtime_admin",
  "supabase_replication_admin",
  "supabase_storage_admin",
]);

/** The platform's table whose policies or triggers this statement changes by that exception, or null. */
export function platformTableOf(node: Node): string | null {
  const name = policyTarget(node) ?? droppedFrom(node);
  return name !== null && policyTables.has(name) ? name : null;
}

/** The reserved role that this statement would change, or null. */
export function refusedRole(node: Node): string | null {
  const role = "AlterRoleStmt" in node
    ? node.AlterRoleStmt.role?.rolename
    : "AlterRoleSetStmt" in node
    ? node.AlterRoleSetStmt.role?.rolename
    : "DropRoleStmt" in node
    ? node.DropRoleStmt.roles?.flatMap((each) => "RoleSpec" in each ? [each.RoleSpec.rolename] : [])
      .find((name) => name !== undefined && reservedRoles.has(name))
    : undefined;
  return role !== undefined && reservedRoles.has(role) ? role : null;
}

function policyTarget(node: Node): string | null {
  const table = "CreatePolicyStmt" in node
    ? node.CreatePolicyStmt.table
    : "AlterPolicyStmt" in node
    ? node.AlterPolicyStmt.table
    : undefined;
  return table?.schemaname && table.relname ? `${table.schemaname}.${table.relname}` : null;
}

/** `drop policy p on storage.objects` and `drop trigger t on …`: the name comes as [schema, table, object]. */
function droppedFrom(node: Node): string | null {
  if (!("DropStmt" in node)) return null;
  const { removeType, objects } = node.DropStmt;
  if (removeType !== "OBJECT_POLICY" && removeType !== "OBJECT_TRIGGER") return null;
  const list = objects?.[0];
  if (!list || !("List" in list)) return null;
  const parts = (list.List.items ?? []).map((item) => "String" in item ? item.String.sval ?? "" : "");
  return parts.length === 3 ? `${parts[0]}.${parts[1]}` : null;
}
