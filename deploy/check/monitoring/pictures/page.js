// Draws one dashboard: `page` holds its own JSON and, for each query, what Prometheus answered (see __main__.py).
/* global uPlot, page */

const COLOURS = {
  green: "#73bf69", "semi-dark-green": "#56a64b", yellow: "#fade2a", red: "#f2495c", blue: "#5794f2",
  "light-blue": "#8ab8ff", orange: "#ff9830", purple: "#b877d9",
};
const PALETTE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#ff9830", "#37872d", "#e0b400",
  "#1f60c4", "#fa6400", "#c4162a", "#a352cc", "#ffa6b0", "#96d98d"];
const colour = (name) => COLOURS[name] ?? name;
// Axes of bytes are marked at whole KiB, MiB and GiB.
const POWERS = Array.from({ length: 50 }, (_, power) => 2 ** power);
const faint = (hex, share) => hex + Math.round(share * 255).toString(16).padStart(2, "0");

// A figure and its unit, as Grafana writes them.
function written(value, unit) {
  if (value === null || Number.isNaN(value)) return ["–", ""];
  const digits = (n) => (n === 0 ? "0" : Math.abs(n) >= 100 ? n.toFixed(0) : Math.abs(n) >= 10 ? n.toFixed(1) : n.toFixed(2)).replace(/\.0+$/, "");
  const scaled = (base, steps, tail) => {
    let n = value, step = 0;
    while (Math.abs(n) >= base && step < steps.length - 1) { n /= base; step += 1; }
    return [digits(n), steps[step] + tail];
  };
  if (unit === "percentunit") return [digits(value * 100), "%"];
  if (unit === "bytes") return scaled(1024, ["B", "KiB", "MiB", "GiB", "TiB"], "");
  if (unit === "bps") return scaled(1000, ["b", "kb", "Mb", "Gb"], "/s");
  if (unit === "reqps") return scaled(1000, ["", "K", "M"], " req/s").map((word) => word.trim());
  if (unit === "ops") return scaled(1000, ["", "K", "M"], " ops/s").map((word) => word.trim());
  if (unit === "s") {
    const size = Math.abs(value);
    if (size >= 2 * 86400) return [digits(value / 86400), "days"];
    if (size >= 2 * 3600) return [digits(value / 3600), "hours"];
    if (size >= 120) return [digits(value / 60), "min"];
    if (size >= 1 || size === 0) return [digits(value), "s"];
    return size >= 0.001 ? [digits(value * 1000), "ms"] : [digits(value * 1e6), "µs"];
  }
  return scaled(1000, ["", "K", "M", "G"], "");
}
const words = (value, unit) => written(value, unit).join(unit === "percentunit" ? "" : " ").trim();

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// All series of a panel: a name, a colour and a value for each moment of `times`.
function seriesOf(panel) {
  const found = [];
  panel.targets.forEach((target, place) => {
    for (const one of panel.answers[place]) {
      const name = target.legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => one.metric[label] ?? "");
      const values = new Map(one.values.map(([time, value]) => [time, Number(value)]));
      const fixed = panel.fieldConfig.overrides.find((rule) => rule.matcher.options === name);
      found.push({
        name: name === "__auto" ? panel.title : name, metric: one.metric,
        colour: fixed ? colour(fixed.properties[0].value.fixedColor) : PALETTE[found.length % PALETTE.length],
        values: page.times.map((time) => { const value = values.get(time); return Number.isFinite(value) ? value : null; }),
      });
    }
  });
  return found;
}

function legend(box, series) {
  const list = element("div", "legend");
  for (const { name, colour: of } of series) {
    const entry = element("span");
    const line = element("i");
    line.style.background = of;
    entry.append(line, name);
    list.append(entry);
  }
  box.append(list);
}

function timeseries(box, panel) {
  const series = seriesOf(panel);
  const plot = element("div", "plot");
  box.append(plot);
  legend(box, series);
  const { unit, custom, min, max } = panel.fieldConfig.defaults;
  const stacked = custom.stacking.mode === "normal", log = custom.scaleDistribution.type === "log";
  let below = page.times.map(() => 0);
  const rows = series.map((one) => {
    if (!stacked) return log ? one.values.map((value) => (value > 0 ? value : null)) : one.values;
    below = one.values.map((value, place) => below[place] + (value ?? 0));
    return below;
  });
  const top = Math.max(...rows.flat().filter((value) => value !== null), 0);
  const axis = { stroke: "#8e8e99", font: "11px Inter", grid: { stroke: "#25282e", width: 1 }, ticks: { show: false } };
  new uPlot({
    width: plot.clientWidth - 6, height: plot.clientHeight, padding: [8, 26, 0, 0], cursor: { show: false }, legend: { show: false },
    scales: {
      x: { time: true },
      y: log ? { distr: 3, log: 10 } : { range: (_, least, most) => [Math.min(min ?? least, least ?? 0), max ?? (Math.max(most, top) * 1.08 || 1)] },
    },
    axes: [
      { ...axis, space: 64, size: 30, incrs: [5, 10, 15, 30, 60, 120, 180, 300, 600, 1800, 3600], values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toISOString().slice(11, 19)) },
      { ...axis, size: 74, space: 32, ...(unit === "bytes" ? { incrs: POWERS } : {}), values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : words(tick, unit))) },
    ],
    bands: stacked ? rows.slice(1).map((_, place) => ({ series: [place + 2, place + 1] })) : [],
    series: [{}, ...series.map((one) => ({
      stroke: one.colour, width: 1.4, fill: faint(one.colour, stacked ? 0.55 : custom.fillOpacity / 100), points: { show: false },
    }))],
  }, [page.times, ...rows], plot);
}

function stat(box, panel) {
  const plot = element("div", "plot");
  box.append(plot);
  const [series] = seriesOf(panel);
  const value = series.values.filter((one) => one !== null).at(-1) ?? null;
  const step = panel.fieldConfig.defaults.thresholds.steps.filter((one) => one.value === null || value >= one.value).at(-1);
  const [figure, unit] = written(value, panel.fieldConfig.defaults.unit);
  const said = element("b", "", figure);
  said.append(element("small", "", unit));
  said.style.color = colour(step.color);
  plot.append(said);
  const { context, width, height } = canvas(plot);
  const known = series.values.filter((one) => one !== null), least = Math.min(...known), spread = Math.max(...known) - least || 1;
  const at = (one, place) => [(place / (series.values.length - 1)) * width, height - 3 - ((one - least) / spread) * height * 0.4];
  context.beginPath();
  context.moveTo(0, height);
  series.values.forEach((one, place) => { if (one !== null) context.lineTo(...at(one, place)); });
  context.lineTo(width, height);
  context.fillStyle = faint(colour(step.color), 0.18);
  context.fill();
}

function canvas(plot) {
  const made = element("canvas"), { clientWidth: width, clientHeight: height } = plot;
  Object.assign(made, { width: width * devicePixelRatio, height: height * devicePixelRatio });
  Object.assign(made.style, { width: `${width}px`, height: `${height}px` });
  plot.append(made);
  const context = made.getContext("2d");
  context.scale(devicePixelRatio, devicePixelRatio);
  return { context, width, height };
}

function heatmap(box, panel) {
  const plot = element("div", "plot");
  box.append(plot);
  const { context, width, height } = canvas(plot);
  const bounds = seriesOf(panel).map((one) => ({ ...one, le: one.metric.le === "+Inf" ? Infinity : Number(one.metric.le) })).sort((a, b) => a.le - b.le);
  // Buckets count what lies in those below as well.
  const cells = bounds.map((one, row) => one.values.map((value, place) => Math.max((value ?? 0) - (row ? bounds[row - 1].values[place] ?? 0 : 0), 0)));
  const most = Math.max(...cells.flat()), left = 74, bottom = 22, tall = (height - bottom - 6) / cells.length;
  const columns = Math.min(60, page.times.length), each = page.times.length / columns, wide = (width - left - 10) / columns;
  cells.forEach((row, number) => {
    const y = 6 + (cells.length - 1 - number) * tall;
    for (let column = 0; column < columns; column += 1) {
      const part = row.slice(Math.floor(column * each), Math.floor((column + 1) * each));
      const mean = part.reduce((sum, one) => sum + one, 0) / part.length;
      if (mean <= most * 0.0005) continue;
      const strong = Math.sqrt(mean / most);
      context.fillStyle = `hsl(${212 - 8 * strong} 85% ${18 + 58 * strong}%)`;
      context.fillRect(left + column * wide, y, wide - 1, tall - 1);
    }
    context.fillStyle = "#8e8e99";
    context.font = "10.5px Inter";
    context.textAlign = "right";
    context.fillText(bounds[number].le === Infinity ? "more" : `≤ ${words(bounds[number].le, "s")}`, left - 8, y + tall / 2 + 4);
  });
  context.textAlign = "center";
  context.font = "11px Inter";
  for (let mark = 1; mark < 5; mark += 1) {
    const time = page.times[Math.floor((mark / 5) * page.times.length)];
    context.fillText(new Date(time * 1000).toISOString().slice(11, 19), left + (mark / 5) * (width - left - 10), height - 6);
  }
}

function table(box, panel) {
  const headings = panel.transformations.find((one) => one.id === "organize").options.renameByName;
  const made = element("table"), head = element("tr");
  for (const heading of Object.values(headings)) head.append(element("th", "", heading));
  made.append(head);
  for (const one of panel.answers[0]) {
    const row = element("tr");
    for (const name of Object.keys(headings)) {
      const figure = () => words(Number(one.values.at(-1)[1]), panel.fieldConfig.defaults.unit);
      row.append(element("td", "", name === "Value" ? figure() : one.metric[name] ?? ""));
    }
    made.append(row);
  }
  box.append(made);
}

const DRAW = { timeseries, stat, heatmap, table };
document.querySelector("h1").textContent = page.dashboard.title;
document.querySelector("p").textContent = page.dashboard.description;
for (const panel of page.dashboard.panels) {
  const box = element("section", panel.type), { x, y, w, h } = panel.gridPos;
  Object.assign(box.style, { gridColumn: `${x + 1} / span ${w}`, gridRow: `${y + 1} / span ${h}` });
  box.append(element("h2", "", panel.title));
  document.querySelector("main").append(box);
  if (panel.answers.every((answer) => answer.length === 0)) box.append(element("div", "none", "No data"));
  else DRAW[panel.type](box, panel);
}
