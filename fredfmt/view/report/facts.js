/* What the page tells of a file: its bytes, its results, and where it came from. */

function showFacts({ ledger, meta, arrays }) {
  const pixels = 4 * arrays.coefficients.shape[0] * meta.channels * product(meta.spatial_shape);
  find("bytes-about").textContent =
    `${kilobytes(ledger.total)} in total, ${grouped(Math.round((8 * ledger.total) / meta.classes.length))} bits per class; ` +
    `the images decoded to float32 take ${kilobytes(pixels)}, ${Number((pixels / ledger.total).toPrecision(2))} times as much.`;
  const parts = {
    coefficients: "Coefficients",
    frequencies: "Masks",
    labels: "Labels",
    base: "Base",
    metadata: "Metadata",
    container: "Container",
  };
  for (const [key, name] of Object.entries(parts)) {
    if (!ledger[key]) continue;
    const bar = element("div", { className: "bar" });
    bar.style.width = `${(100 * ledger[key]) / ledger.total}%`;
    find("bytes").querySelector("tbody").append(
      element("tr", {},
        element("th", { scope: "row", textContent: name }),
        element("td", {}, bar),
        element("td", { textContent: grouped(ledger[key]) }),
        element("td", { textContent: `${((100 * ledger[key]) / ledger.total).toFixed(1)} %` }),
      ),
    ); // prettier-ignore
  }
  showResults(meta.results ?? []);
  const groups = ["source", "distillation", "recipe", "mask", "reconstruction", "quantization", "normalization", "whitening", "writer", "ext"];
  for (const name of groups) if (meta[name] && Object.keys(meta[name]).length) addFact(name, meta[name]);
  for (const name of ["license", "citation"]) if (meta[name]) addFact(name, meta[name]);
  find("provenance").hidden = !find("facts").childElementCount;
}

function showResults(results) {
  find("results").hidden = !results.length;
  const percent = (share) => (typeof share === "number" ? (100 * share).toFixed(1) : "?");
  const text = (value) => {
    if (!isObject(value)) return String(value ?? "");
    const { name, ...rest } = value;
    return [name, ...Object.entries(rest).map(([key, part]) => `${key} ${isObject(part) ? JSON.stringify(part) : part}`)].filter(Boolean).join(", ");
  };
  for (const result of results) {
    const spread = typeof result.std === "number" ? ` ± ${percent(result.std)}` : "";
    const length = result.protocol === "paper" ? `, ${result.epochs} epochs` : result.steps ? `, ${result.steps} steps` : "";
    const cells = [
      `${percent(result.accuracy)}${spread} %`,
      text(result.network),
      `${text(result.protocol)}${length}`,
      `${text(result.test)}${typeof result.images === "number" ? `, ${grouped(result.images)} images` : ""}`,
      Array.isArray(result.accuracies) ? String(result.accuracies.length) : "",
    ];
    const row = element("tr", {}, ...cells.map((textContent) => element("td", { textContent })));
    find("results").querySelector("tbody").append(row);
  }
}

function addFact(name, value) {
  const titles = {
    ext: "Notes",
    license: "Licence",
    mask: "Masks",
    normalization: "Space of the images",
    quantization: "Coefficients",
    recipe: "How to train on it",
    source: "Source",
    writer: "Written by",
  };
  const title = element("h3", { textContent: titles[name] ?? name[0].toUpperCase() + name.slice(1) });
  const fact = element("div", { className: "fact" }, title);
  if (isObject(value)) {
    const body = element("tbody");
    const add = (path, key, part) => {
      if (isObject(part) && Object.keys(part).length) {
        const inside = key === "" || key === "configuration" ? path : [...path, wordsOfField(key)];
        for (const [inner, own] of Object.entries(part)) add(inside, inner, own);
        return;
      }
      const label = [...path, wordsOfField(key)].join(": ");
      body.append(
        element("tr", {}, element("th", { scope: "row", textContent: label }), element("td", { textContent: wordsOfValue(key, part) })),
      );
    };
    add([], "", value);
    fact.append(element("table", {}, body));
  } else fact.append(element("p", { textContent: String(value) }));
  find("facts").append(fact);
}
