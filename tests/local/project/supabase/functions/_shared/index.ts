// Shared code, not a function: hosted deploys no folder whose name starts with an underscore.
export default { fetch: () => new Response("never") };
