// Relative references, resolved as RFC 3986 §5.2 says: k6 has no URL of its own.

const PARTS = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?/;

/** What `reference` means in a document that was got from `base`, an absolute URL. Fragments are left out. */
export function resolve(base, reference) {
  const from = split(base);
  from.path ||= "/";
  const to = split(reference);
  if (to.host !== undefined) {
    return `${to.scheme ?? from.scheme}://${to.host}${withoutDots(to.path)}${to.query ?? ""}`;
  }
  const site = `${from.scheme}://${from.host}`;
  if (to.path === "") return `${site}${from.path}${to.query ?? from.query ?? ""}`;
  const folder = from.path.replace(/[^/]*$/, "");
  return `${site}${withoutDots(to.path.startsWith("/") ? to.path : folder + to.path)}${to.query ?? ""}`;
}

function split(url) {
  const [, scheme, host, path, query] = PARTS.exec(url);
  return { scheme, host, path, query };
}

function withoutDots(path) {
  const steps = [];
  for (const step of path.split("/").slice(1)) {
    if (step === "..") steps.pop();
    else if (step !== ".") steps.push(step);
  }
  // "/a/.." and "/a/." are folders.
  if (/\/\.\.?$/.test(path)) steps.push("");
  return `/${steps.join("/")}`;
}
