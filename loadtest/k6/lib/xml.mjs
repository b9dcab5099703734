// Reads as much of XML as an MPD uses: k6 has a parser for HTML only, where <S/> does not end.

/** Comments, declarations, and tags: what ends one, its name, its attributes, whether it is empty; or text. */
const TOKEN = new RegExp(
  "<!--[^]*?-->|<[?!][^>]*>|" +
    "<(/?)([\\w:.-]+)((?:\\s+[\\w:.-]+\\s*=\\s*(?:\"[^\"]*\"|'[^']*'))*)\\s*(/?)>|" +
    "([^<]+)|<",
  "g",
);

/** The root as {name, attributes, children, text}; names are without their prefixes. */
export function readXml(source) {
  const top = element("", {});
  const open = [top];
  for (const [token, end, prefixed, attributes, empty, text] of source.matchAll(TOKEN)) {
    if (token === "<") throw new Error("a < that begins nothing");
    if (text !== undefined) open.at(-1).text += unescaped(text);
    if (prefixed === undefined) continue;
    const name = prefixed.replace(/^.*:/, "");
    if (end) {
      if (open.length < 2 || open.pop().name !== name) throw new Error(`</${name}> ends nothing`);
      continue;
    }
    const child = element(name, attributesOf(attributes));
    open.at(-1).children.push(child);
    if (!empty) open.push(child);
  }
  if (open.length > 1) throw new Error(`<${open.at(-1).name}> does not end`);
  if (top.children.length !== 1) throw new Error("not one root");
  return top.children[0];
}

function element(name, attributes) {
  return { name, attributes, children: [], text: "" };
}

function attributesOf(source) {
  const attributes = {};
  for (const [, name, double, single] of source.matchAll(/([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
    attributes[name] = unescaped(double ?? single);
  }
  return attributes;
}

function unescaped(text) {
  const named = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => named[name]);
}
