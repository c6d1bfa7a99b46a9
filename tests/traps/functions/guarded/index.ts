// With verify_jwt = true, which is the default.
export default { fetch: () => new Response("in") };
