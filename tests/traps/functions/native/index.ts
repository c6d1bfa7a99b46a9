// Needs a compiled module.
import "sharp";

export default { fetch: () => new Response("in") };
