// Hosted loads `safeupdate` into the Data API's sessions: UPDATE and DELETE without WHERE fail, in functions too. It is
// a C library that npm does not bring, so the functions and triggers that a request reaches are read instead.
//
// Stricter than hosted: a statement counts even where the call would not come to it. Kinder: it does not see dynamic
// EXECUTE, the functions that views, rules, policies, defaults and operators call, the triggers behind an updatable
// view, and other languages than SQL and PL/pgSQL.

import type { CascadeRow, FunctionRow, SqlCatalog, TriggerRow } from "./sql-catalog.ts";
import { type Event, type Name, readCommands } from "./sql-commands.ts";

export interface Unfiltered {
  command: "UPDATE" | "DELETE";
  /** The function that holds it: schema.name. */
  within: string;
}

/** What a request does: calls any function of this name, or writes this table. */
export type Step = { call: string } | { write: string; event: Event };

export interface SafeUpdate {
  /** The first UPDATE or DELETE without WHERE that these steps come to, or null. Names are schema.name. */
  find(steps: readonly Step[]): Unfiltered | null;
  /** The function's own limit, which PostgREST applies to the whole call. */
  statementTimeout(name: string): string | null;
}

interface Body {
  unfiltered: Unfiltered | null;
  steps: Step[];
}

const defaultSearchPath = "public, extensions";

export function createSafeUpdate(catalog: SqlCatalog): SafeUpdate {
  const functionsById = new Map(catalog.functions.map((each) => [each.id, each]));
  const functionsByName = Map.groupBy(catalog.functions, ({ schema, name }) => `${schema}.${name}`);
  const triggers = Map.groupBy(catalog.triggers, writeOf);
  const cascades = Map.groupBy(catalog.cascades, writeOf);
  const bodies = new Map<FunctionRow, Body>();

  const read = (each: FunctionRow): Body => {
    const body = bodies.get(each) ?? readBody(each);
    bodies.set(each, body);
    return body;
  };

  return {
    find(steps) {
      const waiting = [...steps];
      const seen = new Set<string>();
      for (let step = waiting.pop(); step; step = waiting.pop()) {
        const key = "call" in step ? step.call : `${step.event} ${step.write}`;
        if (seen.has(key)) continue;
        seen.add(key);
        const reached = "call" in step
          ? functionsByName.get(key) ?? []
          : (triggers.get(key) ?? []).flatMap((each) => functionsById.get(each.function_id) ?? []);
        for (const each of reached) {
          const body = read(each);
          if (body.unfiltered) return body.unfiltered;
          waiting.push(...body.steps);
        }
        for (const { to_schema, to_table, to_event } of cascades.get(key) ?? []) {
          waiting.push({ write: `${to_schema}.${to_table}`, event: to_event });
        }
      }
      return null;
    },
    statementTimeout(name) {
      const limits = (functionsByName.get(name) ?? []).map((each) => settingOf(each, "statement_timeout"));
      return limits.find((limit) => limit !== null) ?? null;
    },
  };
}

function writeOf({ schema, table, event }: TriggerRow | CascadeRow): string {
  return `${event} ${schema}.${table}`;
}

function readBody(each: FunctionRow): Body {
  const { commands, calls } = readCommands(each.body);
  const unfiltered = commands.find((command) => command.unfiltered);
  const schemas = (settingOf(each, "search_path") ?? defaultSearchPath).split(",")
    .map((part) => part.trim().replaceAll('"', ""));
  const named = ({ schema, name }: Name) => (schema ? [schema] : schemas).map((one) => `${one}.${name}`);
  return {
    unfiltered: unfiltered
      ? {
        command: unfiltered.events[0] === "update" ? "UPDATE" : "DELETE",
        within: `${each.schema}.${each.name}`,
      }
      : null,
    steps: [
      ...calls.flatMap(named).map((call) => ({ call })),
      ...commands.flatMap(({ table, events }) =>
        named(table).flatMap((write) => events.map((event) => ({ write, event })))
      ),
    ],
  };
}

function settingOf({ settings }: FunctionRow, name: string): string | null {
  return settings.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1) ?? null;
}
