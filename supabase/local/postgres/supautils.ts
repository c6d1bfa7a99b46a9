/**
 * What hosted's extension supautils decides about a statement of the role `postgres`: policies and triggers on
 * some of the platform's tables may be changed by it although it does not own them, and some extensions installed;
 * platform roles may not be changed, but for the settings of the API's.
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

/** A platform's role, and whether `alter role … set` is open to `postgres` all the same. */
const reservedRoles = new Map([
  ["anon", "settings"],
  ["authenticated", "settings"],
  ["authenticator", "settings"],
  ["dashboard_user", "closed"],
  ["pgbouncer", "closed"],
  ["service_role", "settings"],
  ["supabase_admin", "closed"],
  ["supabase_auth_admin", "closed"],
  ["supabase_etl_admin", "closed"],
  ["supabase_functions_admin", "closed"],
  ["supabase_read_only_user", "closed"],
  ["supabase_realtime_admin", "closed"],
  ["supabase_replication_admin", "closed"],
  ["supabase_storage_admin", "closed"],
]);

/** Roles that nobody is made a member of. */
const reservedMemberships = new Set([
  "authenticator",
  "pg_execute_server_program",
  "pg_read_server_files",
  "pg_write_server_files",
  "supabase_admin",
]);

/** What hosted lets `postgres` install, as far as npm's Postgres and our stand-ins bring it. */
const openExtensions = new Set([
  ...["autoinc", "bloom", "btree_gin", "btree_gist", "citext", "cube", "dblink", "dict_int", "dict_xsyn"],
  ...[
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "insert_username",
    "intarray",
    "isn",
    "ltree",
    "moddatetime",
  ],
  ...["pg_buffercache", "pg_cron", "pg_net", "pg_stat_statements", "pg_trgm", "pg_walinspect", "pgcrypto"],
  ...["pgrowlocks", "plpgsql", "postgres_fdw", "refint", "seg", "sslinfo", "supabase_vault", "tablefunc"],
  ...["tcn", "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp"],
]);

/** Is this one of the statements that hosted makes for `postgres` under the platform's own identity? */
export function runsAsPlatform(node: Node): boolean {
  const table = policyTarget(node) ?? droppedFrom(node);
  if (table !== null) return policyTables.has(table);
  const extensions = extensionsOf(node);
  if (extensions.length > 0) return extensions.every((name) => openExtensions.has(name));
  // The other API roles are the role postgres' to administer; this one, hosted opens by a list of settings.
  return "AlterRoleSetStmt" in node && node.AlterRoleSetStmt.role?.rolename === "authenticator";
}

/** Why hosted refuses this statement on roles, or to become one, in its words after SQLSTATE 42501, or null. */
export function refusalOf(node: Node): string | null {
  if (setsSessionUser(node)) return "permission denied to set session authorization";
  const role = changedRoles(node).find((name) => reservedRoles.has(name)) ??
    ("AlterRoleSetStmt" in node ? closedRole(node.AlterRoleSetStmt.role?.rolename) : undefined);
  if (role) return `"${role}" is a reserved role, only superusers can modify it`;
  const membership = grantedRoles(node).find((name) => reservedMemberships.has(name));
  return membership ? `"${membership}" role memberships are reserved, only superusers can grant them` : null;
}

/** The runner itself came from a superuser, so Postgres would let it; going back to `postgres` changes nothing. */
function setsSessionUser(node: Node): boolean {
  return "VariableSetStmt" in node && node.VariableSetStmt.name === "session_authorization";
}

function closedRole(name: string | undefined): string | undefined {
  return name && reservedRoles.get(name) === "closed" ? name : undefined;
}

/** Roles whose attributes or name this statement changes, or that it drops. */
function changedRoles(node: Node): string[] {
  if ("AlterRoleStmt" in node) return names(node.AlterRoleStmt.role?.rolename);
  if ("DropRoleStmt" in node) {
    return (node.DropRoleStmt.roles ?? []).flatMap((each) =>
      "RoleSpec" in each ? names(each.RoleSpec.rolename) : []
    );
  }
  if ("RenameStmt" in node && node.RenameStmt.renameType === "OBJECT_ROLE") {
    return names(node.RenameStmt.subname, node.RenameStmt.newname);
  }
  return [];
}

function grantedRoles(node: Node): string[] {
  if (!("GrantRoleStmt" in node) || !node.GrantRoleStmt.is_grant) return [];
  return (node.GrantRoleStmt.granted_roles ?? []).flatMap((each) =>
    "AccessPriv" in each ? names(each.AccessPriv.priv_name) : []
  );
}

function extensionsOf(node: Node): string[] {
  if ("CreateExtensionStmt" in node) return names(node.CreateExtensionStmt.extname);
  if ("AlterExtensionStmt" in node) return names(node.AlterExtensionStmt.extname);
  if (!("DropStmt" in node) || node.DropStmt.removeType !== "OBJECT_EXTENSION") return [];
  return (node.DropStmt.objects ?? []).flatMap((each) => "String" in each ? names(each.String.sval) : []);
}

function names(...found: (string | undefined)[]): string[] {
  return found.filter((name) => name !== undefined);
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
